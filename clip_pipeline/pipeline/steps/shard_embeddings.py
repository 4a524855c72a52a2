"""shard_embeddings: the vectors of the photos that a shard holds, one partition a shard and training variant."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from clip_pipeline.errors import Materialise, PhotosError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import halves
from clip_pipeline.pipeline.steps.embedding import chosen_runtime, embed_photos, vectors_config
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.fields import speed_settings
from clip_pipeline.sources.photos.formats.tar_index import find_photo, read_place
from clip_pipeline.storage.manifest import Built


def _shard_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    shard, variant = halves(partition)
    return {
        f"image_shards[{shard}]": workspace.get("image_shards", shard).file_hash(f"{shard}.tar"),
        f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content,
        f"embedding_runtime[{variant}]": chosen_runtime(workspace, variant),
    }


def _build_shard_embeddings(context: BuildContext) -> Built:
    """In the order of the shard's keys. A shard of which no photo came has no vectors."""
    from clip_pipeline.embedding.store import write_embeddings

    shard, _ = halves(context.partition)
    artifact = context.workspace.get("image_shards", shard)
    keys = _keys_of_photos(artifact.file(f"{shard}.parquet"))
    if not keys:
        write_embeddings(context.folder, "images", [], np.zeros((0, 0), np.float16))
        return Built(rows={"photos": 0})
    tar = artifact.file(f"{shard}.tar")
    return embed_photos(context, ((photo_id, partial(_read_key, tar, key)) for key, photo_id in keys), len(keys))


def _keys_of_photos(attempts: Path) -> list[tuple[str, str]]:
    """(key, id) of the photos that a shard holds."""
    import pyarrow.parquet as pq

    tried = pq.read_table(attempts, columns=["key", "id", "status"]).to_pylist()
    return [(row["key"], row["id"]) for row in tried if row["status"] == "success"]


def _read_key(tar: Path, key: str) -> bytes:
    place = find_photo(tar, key)
    if place is None:
        raise PhotosError(
            f"{tar} has no photo {key}, which its table names.", Materialise("image_shards", tar.stem, again=True)
        )
    return read_place(tar, place)


BUILDERS = {
    "shard_embeddings": Builder(
        config=vectors_config,
        inputs=_shard_inputs,
        build=_build_shard_embeddings,
        speed=(*speed_settings("compute"), "embedding.batch_size"),
    ),
}
