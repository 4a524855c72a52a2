"""Photos out of what a download wrote, finished or not: the others stay as they are, and nobody is asked for anything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.catalog import with_own_keys
from clip_pipeline.images.download.journal import journal_attempts, without_records
from clip_pipeline.images.download.outage import Lack, add_tries
from clip_pipeline.images.download.reuse import PreviousShard
from clip_pipeline.images.download.shard import download_shard
from clip_pipeline.images.takedown import ATTEMPT_COLUMNS, Takedowns
from clip_pipeline.records import PHOTO_CATALOG, SHARD_ATTEMPTS
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.fetch import Fetched, PhotoFetcher
from clip_pipeline.sources.photos.local_photos import UNREADABLE

if TYPE_CHECKING:
    import pyarrow as pa


class NobodyToAsk(PhotoFetcher):
    """In the place of a fetcher: what the old shard does not hold any more is a row that the next download asks for."""

    def __init__(self) -> None:
        pass

    def close(self) -> None:
        pass

    def fetch(self, url: str) -> Fetched:
        """The row's status and reason."""
        return Fetched(
            "missing_file", None, f"its bytes in the shard {UNREADABLE}; found when another photo was taken down"
        )


def without(rows: pa.Table, gone: Takedowns) -> pa.Table:
    """Those of PHOTO_CATALOG of one shard that stay, with the keys that a catalog without the others gives them."""
    import numpy as np

    stays = [place for place, photo in enumerate(rows["id"].to_pylist()) if photo not in gone.ids]
    return rows if len(stays) == len(rows) else with_own_keys(rows.take(np.array(stays, np.int64)))


def rows_of_shard(folder: Path, shard: str) -> pa.Table:
    """PHOTO_CATALOG as far as the shard in `folder` knows it; columns that an older one lacks are null."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / f"{shard}.parquet", schema=PHOTO_CATALOG)


def write_shard_of(kept: pa.Table, old: Path, shard: str, folder: Path, before: Lack | None) -> dict[str, Any]:
    """Writes the shard of these rows into `folder`, from the one in `old`; returns its stats. before: what the old one lacks."""
    journal, settings = folder / "journal", DownloadSettings(max_outage_percent=100)
    previous = PreviousShard(old, shard, settings, as_it_is=True)
    stats = download_shard(kept, folder, settings, NobodyToAsk(), work=journal, previous=previous)
    add_tries(stats, before, asked=False)
    shutil.rmtree(journal)
    return stats


def take_out_of_journals(folder: Path, gone: Takedowns) -> None:
    """Removes the photos from all journals below `folder`: those of downloads that did not come to their end."""
    for path in sorted(folder.rglob("*.journal")):
        without_records(path, lambda about: about["id"] in gone.ids or about.get("sha256") in gone.sha256s)


def attempts_of_journals(folder: Path) -> pa.Table:
    """SHARD_ATTEMPTS, the columns that a photo is found by, of the journals below `folder`."""
    import pyarrow as pa

    rows = [about for path in sorted(folder.rglob("*.journal")) for about in journal_attempts(path)]
    schema = pa.schema([SHARD_ATTEMPTS.field(name) for name in ATTEMPT_COLUMNS])
    return pa.Table.from_pylist([{name: row.get(name) for name in ATTEMPT_COLUMNS} for row in rows], schema=schema)
