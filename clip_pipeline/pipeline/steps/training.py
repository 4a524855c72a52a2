"""decoded_images and clip_checkpoint: the photos decoded once, and a CLIP trained on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import StoreError
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps.images import shard_hashes, shard_keys
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.storage.artifacts import Built

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.training.data.decoded_images import ImageFormat
    from clip_pipeline.training.data.shard_images import ShardPhotos
    from clip_pipeline.training.trainer import OnRow


def model_names(workspace: Workspace) -> list[str]:
    """The models of the recipe, as partition names: a configuration file of the user's own goes by its name."""
    return [Path(workspace.recipe.training.model).stem]


# ---- decoded_images: one partition a size and way of resizing

IMAGES_VERSION = "1"


def image_formats(workspace: Workspace) -> list[str]:
    """The format of the recipe's images as the only partition; none where photos are decoded as they are needed."""
    return [_image_format(workspace).name] if workspace.recipe.training.cache_decoded_images else []


def stored_image_formats(workspace: Workspace) -> list[str]:
    """The formats in which images are stored now, whatever the recipe."""
    return workspace.store.partitions(artifact_key(IMAGES.asset).stage, IMAGES.asset)


def possible_image_formats(workspace: Workspace) -> list[str]:
    """Formats that any model's images may have, and those of the recipe; of a model that is gone on from, both ways of
    resizing, since its folder may not be there yet."""
    from clip_pipeline.models.folder import preprocess_config
    from clip_pipeline.models.registry import list_models, load_config
    from clip_pipeline.models.sizes import config_of
    from clip_pipeline.training.data.decoded_images import RESIZE_MODES, ImageFormat

    settings = workspace.recipe.training
    config = config_of(settings)
    wanted = [preprocess_config(entry) for entry in (config, *(load_config(name) for name in list_models()))]
    formats = [ImageFormat(entry["size"][0], entry["resize_mode"]) for entry in wanted]
    side = settings.cached_image_size or wanted[0]["size"][0]
    formats += [
        ImageFormat(side, mode) for mode in (RESIZE_MODES if settings.init_from else (wanted[0]["resize_mode"],))
    ]
    return sorted({entry.name for entry in formats})


def _image_format(workspace: Workspace) -> ImageFormat:
    from clip_pipeline.models.sizes import config_of
    from clip_pipeline.training.data.decoded_images import image_format
    from clip_pipeline.training.model.initial_model import initial_preprocess

    settings = workspace.recipe.training
    return image_format(initial_preprocess(config_of(settings), settings), settings)


def _images_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    return shard_hashes(workspace) | {"image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet")}


def _build_images(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.training.data.decoded_images import ImageFormat, store_images
    from clip_pipeline.training.data.pairs import read_split

    wanted = ImageFormat.named(partition)
    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"))
    photo_ids = [photo_id for split in ("train", "validation") for photo_id in read_split(pairs, split).photo_ids]
    store_images(_photos_of(workspace, pairs), photo_ids, wanted, folder, workspace.recipe.compute.workers)
    return Built(rows={"images": len(photo_ids)}, facts={"side": wanted.side, "resize_mode": wanted.resize_mode})


def _photos_of(workspace: Workspace, pairs: pa.Table) -> Iterator[tuple[str, bytes]]:
    """(photo id, JPEG bytes) of the photos that the pairs name, in the order of the shards."""
    from clip_pipeline.images.shards.tar import read_photos

    id_of = dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True))
    return read_photos(_tars(workspace).values(), id_of)


def _tars(workspace: Workspace) -> dict[str, Path]:
    return {shard: workspace.get("image_shards", shard).file(f"{shard}.tar") for shard in shard_keys(workspace)}


IMAGES = Step(
    asset="decoded_images",
    about="The photos of the training, decoded and resized once for all trainings that see them so.",
    code_version=IMAGES_VERSION,
    after=("image_shards", "image_text_pairs"),
    config=lambda workspace: {},
    inputs=_images_inputs,
    build=_build_images,
    partitions=image_formats,
)


# ---- clip_checkpoint: one partition a model


def _training_config(workspace: Workspace) -> dict:
    from clip_pipeline.models.sizes import config_of

    settings = workspace.recipe.training
    return fingerprinted(settings) | {
        "architecture": config_of(settings),
        "decoded_images": IMAGES_VERSION,  # those decoded on the way are the same
    }


def _training_inputs(workspace: Workspace, model: str) -> dict[str, str]:
    from clip_pipeline.training.model.initial_model import hash_start

    return (
        shard_hashes(workspace)
        | {
            "image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet"),
            "bpe_tokenizer": workspace.get("bpe_tokenizer").content,
        }
        | hash_start(workspace.recipe.training)
    )


def _training_photos(workspace: Workspace, pairs: pa.Table) -> Path | ShardPhotos:
    """The stored images, or where the photos lie in the shards. Raises StoreError for images of other photos."""
    from clip_pipeline.training.data.shard_images import shard_photos

    if not workspace.recipe.training.cache_decoded_images:
        return shard_photos(pairs, _tars(workspace))
    (partition,) = image_formats(workspace)
    stored = workspace.get(IMAGES.asset, partition)
    if why := workspace.store.why_stale(stored.key, IMAGES.wanted(workspace, partition)):
        raise StoreError(
            f"{stored.key} is not made of the photos that are there now ({why}). "
            f"Run: clip-pipeline run --select {IMAGES.asset}"
        )
    return stored.folder


def _live_view(workspace: Workspace, model: str, work: Path) -> OnRow:
    """Shows the training while it runs, where there is somebody to show it to."""
    from clip_pipeline.training.reports.live_plot import LiveView
    from clip_pipeline.training.reports.log import LOG_FILE
    from clip_pipeline.training.trainer import nothing_on_row

    if workspace.show is None:
        return nothing_on_row
    show = partial(workspace.show, "clip_checkpoint", model)
    return LiveView(work / LOG_FILE, workspace.recipe.training, show)


def _build_checkpoint(workspace: Workspace, model: str, folder: Path, work: Path) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.training.train import train_clip

    recipe = workspace.recipe
    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"))
    facts = train_clip(
        pairs,
        _training_photos(workspace, pairs),
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
    IMAGES,
    Step(
        asset="clip_checkpoint",
        about="A CLIP trained from scratch, as a folder that plain open_clip loads.",
        code_version="4",
        after=("image_shards", "image_text_pairs", "decoded_images", "bpe_tokenizer"),
        config=_training_config,
        inputs=_training_inputs,
        build=_build_checkpoint,
        partitions=model_names,
    ),
)
