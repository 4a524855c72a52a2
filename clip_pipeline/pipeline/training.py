"""clip_checkpoint: a CLIP trained from scratch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.pipeline.images import shard_hashes, shard_keys
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.store import Built

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.training.trainer import OnRow


def model_names(workspace: Workspace) -> list[str]:
    """The models of the recipe, as partition names: a configuration file of the user's own goes by its name."""
    return [Path(workspace.recipe.training.model).stem]


def _training_config(workspace: Workspace) -> dict:
    from clip_pipeline.models.sizes import config_of

    settings = workspace.recipe.training
    return fingerprinted(settings) | {"architecture": config_of(settings)}


def _training_inputs(workspace: Workspace, model: str) -> dict[str, str]:
    from clip_pipeline.training.starting_model import hash_start

    return (
        shard_hashes(workspace)
        | {
            "image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet"),
            "bpe_tokenizer": workspace.get("bpe_tokenizer").content,
        }
        | hash_start(workspace.recipe.training)
    )


def _photos_of(workspace: Workspace, pairs: pa.Table) -> Iterator[tuple[str, bytes]]:
    """(photo id, JPEG bytes) of the photos that the pairs name, in the order of the shards."""
    from clip_pipeline.images.shards import read_photos

    tars = (workspace.get("image_shards", shard).file(f"{shard}.tar") for shard in shard_keys(workspace))
    return read_photos(tars, dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True)))


def _live_view(workspace: Workspace, model: str, work: Path) -> OnRow:
    """Shows the training while it runs, where there is somebody to show it to."""
    from clip_pipeline.training.live import LiveView
    from clip_pipeline.training.log import LOG_FILE
    from clip_pipeline.training.trainer import nothing_on_row

    if workspace.show is None:
        return nothing_on_row
    show = partial(workspace.show, "clip_checkpoint", model)
    return LiveView(work / LOG_FILE, workspace.recipe.training, show)


def _build_checkpoint(workspace: Workspace, model: str, folder: Path, work: Path) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.training.loop import train_clip

    recipe = workspace.recipe
    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"))
    facts = train_clip(
        pairs,
        _photos_of(workspace, pairs),
        workspace.get("bpe_tokenizer").folder,
        recipe.training,
        recipe.compute,
        work,
        folder,
        on_row=_live_view(workspace, model, work),
    )
    (folder / "recipe.json").write_text(json.dumps(fingerprinted(recipe.training), indent=1, sort_keys=True))
    return Built(rows={"steps": facts["steps"]}, facts=facts, sidecars=("train_log.*", "*.png", "tensorboard/*"))


STEPS = (
    Step(
        asset="clip_checkpoint",
        about="A CLIP trained from scratch, as a folder that plain open_clip loads.",
        code_version="2",
        after=("image_shards", "image_text_pairs", "bpe_tokenizer"),
        config=_training_config,
        inputs=_training_inputs,
        build=_build_checkpoint,
        partitions=model_names,
    ),
)
