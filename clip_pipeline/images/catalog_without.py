"""A catalog without photos that were taken down, from the catalog that is there: no source of photos is needed for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.images.catalog import write_rows
from clip_pipeline.records import PHOTO_CATALOG
from clip_pipeline.storage.external_sort import MAX_ROWS

if TYPE_CHECKING:
    import pyarrow as pa


def write_catalog_without(old: Path, without: Callable[[pa.Table], pa.Table], folder: Path) -> dict[str, int]:
    """Writes photos.parquet and shards/NNNNN.parquet into `folder` as `write_catalog` does, of those rows of each shard in `old` that
    without(rows) leaves; returns how many photos and shards there are, and how many photos went (`gone`)."""
    import pyarrow.parquet as pq

    counts = dict.fromkeys(("photos", "shards", "gone"), 0)
    (folder / "shards").mkdir(parents=True)
    waiting: list[pa.Table] = []
    schema = pq.read_schema(old / "photos.parquet")
    if schema.names == PHOTO_CATALOG.names:
        schema = PHOTO_CATALOG  # names in lists, which Parquet changes: equal rows are to give equal bytes
    with pq.ParquetWriter(folder / "photos.parquet", schema, compression="zstd") as whole:
        for path in sorted((old / "shards").glob("*.parquet")):
            rows = pq.read_table(path).cast(schema)
            kept = without(rows)
            counts["gone"] += len(rows) - len(kept)
            if len(kept) == 0:
                continue
            counts["photos"] += len(kept)
            counts["shards"] += 1
            if len(kept) == len(rows):
                shutil.copyfile(path, folder / "shards" / path.name)
            else:
                pq.write_table(kept, folder / "shards" / path.name, compression="zstd")
            waiting.append(kept)
            if sum(map(len, waiting)) >= MAX_ROWS:
                write_rows(whole, waiting)
        write_rows(whole, waiting)
    return counts
