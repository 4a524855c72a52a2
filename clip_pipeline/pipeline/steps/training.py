"""decoded_images and clip_checkpoint: the photos decoded once, and a CLIP trained on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import Materialise, StoreError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import shard_keys, variant_image_format
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps.images import shard_hashes
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.settings.fields import speed_settings
from clip_pipeline.storage.manifest import Built

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.training.data.shard_images import ShardPhotos
    from clip_pipeline.training.trainer import OnRow


# ---- decoded_images: one partition a size and way of resizing


def _images_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    return shard_hashes(workspace) | {"image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet")}


def _build_images(context: BuildContext) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.training.data.decoded_images import store_images
    from clip_pipeline.training.data.image_format import ImageFormat
    from clip_pipeline.training.data.pairs import read_split

    workspace = context.workspace
    wanted = ImageFormat.named(context.partition)
    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"))
    photo_ids = [photo_id for split in ("train", "validation") for photo_id in read_split(pairs, split).photo_ids]
    store_images(photos_of_pairs(workspace, pairs), photo_ids, wanted, context.folder, workspace.recipe.compute.workers)
    return Built(rows={"images": len(photo_ids)}, facts=wanted.described())


def photos_of_pairs(workspace: Workspace, pairs: pa.Table) -> Iterator[tuple[str, bytes]]:
    """(photo id, JPEG bytes) of the photos that the pairs name, in the order of the shards."""
    from clip_pipeline.sources.photos.formats.tar_index import read_photos

    id_of = dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True))
    return read_photos(_tars(workspace).values(), id_of)


def _tars(workspace: Workspace) -> dict[str, Path]:
    return {shard: workspace.get("image_shards", shard).file(f"{shard}.tar") for shard in shard_keys(workspace)}


DECODED_IMAGES = Step(
    find_asset("decoded_images"),
    Builder(config=lambda workspace: {}, inputs=_images_inputs, build=_build_images, speed=("compute.workers",)),
)


# ---- clip_checkpoint: one partition a training variant, whose settings the workspace has


def _training_config(workspace: Workspace) -> dict:
    from clip_pipeline.training.options import architecture_of

    settings = workspace.recipe.training
    return fingerprinted(settings) | {
        "architecture": architecture_of(settings, workspace.recipe.pooling),  # what `pooling` says is a part of it
        "decoded_images": DECODED_IMAGES.asset.code_version,  # those decoded on the way are the same
    }


def _training_inputs(workspace: Workspace, variant: str) -> dict[str, str]:
    from clip_pipeline.models.text_pooling import reads_bytes
    from clip_pipeline.training.model.initial_model import hash_initial_weights
    from clip_pipeline.training.options import architecture_of

    tokenizer = {"bpe_tokenizer": workspace.get("bpe_tokenizer").content}
    return (
        shard_hashes(workspace)
        | {"image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet")}
        | ({} if reads_bytes(architecture_of(workspace.recipe.training)) else tokenizer)
        | hash_initial_weights(workspace.recipe.training.init_from)
    )


def _training_photos(workspace: Workspace, pairs: pa.Table) -> Path | ShardPhotos:
    """The stored images, or where the photos lie in the shards. Raises StoreError for images of other photos."""
    from clip_pipeline.training.data.shard_images import shard_photos

    if not workspace.recipe.training.cache_decoded_images:
        return shard_photos(pairs, _tars(workspace))
    (partition,) = variant_image_format(workspace.recipe.training)
    stored = workspace.store.get(DECODED_IMAGES.key(partition))
    if why := workspace.store.why_stale(stored.key, DECODED_IMAGES.wanted(workspace, partition)):
        raise StoreError(
            f"{stored.key} is not made of the photos that are there now ({why}).",
            Materialise(DECODED_IMAGES.name, partition, alone=True),
        )
    return stored.folder


def _live_view(context: BuildContext) -> OnRow:
    """Shows the training while it runs, where there is somebody to show it to."""
    from clip_pipeline.training.reports.live_plot import LiveView
    from clip_pipeline.training.reports.log import LOG_FILE
    from clip_pipeline.training.trainer import nothing_on_row

    if context.on_progress is None:
        return nothing_on_row
    settings = context.workspace.recipe.training
    return LiveView(context.work / LOG_FILE, context.on_progress, settings.model, settings.batch_size, settings.loss)


def _build_checkpoint(context: BuildContext) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.training.train import train_clip

    workspace, folder, work = context.workspace, context.folder, context.work
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
        on_row=_live_view(context),
        pooling=recipe.pooling,
    )
    (folder / "recipe.json").write_text(json.dumps(fingerprinted(recipe.training), indent=1, sort_keys=True))
    return Built(rows={"steps": facts["steps"]}, facts=facts, sidecars=("train_log.*", "*.png", "tensorboard/*"))


BUILDERS = {
    DECODED_IMAGES.name: DECODED_IMAGES.builder,
    "clip_checkpoint": Builder(
        config=_training_config,
        inputs=_training_inputs,
        build=_build_checkpoint,
        speed=(*speed_settings("compute"), *speed_settings("training")),
    ),
}
