"""Photos out of a folder that the download command wrote, for good; a take-down that was killed is ended by whoever comes next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.errors import InputError, PhotosError
from clip_pipeline.images.download.catalog import write_sizes
from clip_pipeline.images.download.outage import lack_of
from clip_pipeline.images.download.take_out import (
    attempts_of_journals,
    rows_of_shard,
    take_out_of_journals,
    without,
    write_shard_of,
)
from clip_pipeline.images.takedown import (
    ATTEMPT_COLUMNS,
    TAKEDOWNS_FILE,
    Found,
    Takedowns,
    begin_take_down,
    begun_take_down,
    end_take_down,
    find_photos,
    read_takedowns,
)
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.shard_folder import (
    finished_shards,
    holds_shards,
    only_writer_of_shards,
    remove_shard,
    rewritten_shard,
    shard_stats,
    unfinished_shards,
    works_of,
)

WITHOUT = "without "
"""Begins the plan of a shard that a take-down wrote: of no list, so the next download looks it through."""


def take_down_from_shards(folder: Path, names: Sequence[str], date: str, reason: str) -> Found:
    """Removes photos, named by id, url or sha256, from the shards below `folder`, finished or not, and returns what was found.

    Raises PhotosError for a folder without shards, InputError where a name means no photo; then nothing was changed.
    """
    import pyarrow.parquet as pq

    if not holds_shards(folder) and not (folder / TAKEDOWNS_FILE).exists():
        raise PhotosError(f"{folder} holds no shards that clip-pipeline download wrote. Give the folder of 00000.tar.")
    with only_writer_of_shards(folder):
        end_begun_take_down(folder)
        tables = [
            pq.read_table(folder / f"{shard}.parquet", columns=ATTEMPT_COLUMNS) for shard in finished_shards(folder)
        ]
        tables.append(attempts_of_journals(folder))
        found = find_photos(tables, names, date, reason, read_takedowns(folder / TAKEDOWNS_FILE))
        if found.unknown:
            raise InputError(
                f"No photo in {folder} has the id, url or sha256 {', '.join(found.unknown[:5])}. "
                "Look it up in the column id of its .parquet files; nothing was changed."
            )
        begin_take_down(folder, found.photos)
        end_begun_take_down(folder)
    return found


def end_begun_take_down(folder: Path) -> None:
    """Brings a take-down to its end, where one has begun. Call as `only_writer_of_shards`."""
    begun = begun_take_down(folder)
    if begun is None:
        return
    for shard in unfinished_shards(folder):
        take_out_of_journals(works_of(folder, shard), begun)
    for shard in finished_shards(folder):
        _take_out(folder, shard, begun)
    write_sizes(folder, finished_shards(folder))
    end_take_down(folder)


def _take_out(folder: Path, shard: str, gone: Takedowns) -> None:
    rows = rows_of_shard(folder, shard)
    kept = without(rows, gone)
    if len(kept) == len(rows):
        return
    if len(kept) == 0:
        remove_shard(folder, shard)
    else:
        plan = f"{WITHOUT}{hash_json(kept['id'].to_pylist())}"
        lack = lack_of(shard_stats(folder, shard))
        rewritten_shard(folder, shard, plan, lambda staging: write_shard_of(kept, folder, shard, staging, lack))
