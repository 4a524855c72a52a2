"""All shards of a catalog, side by side in one folder of the user's choice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.disk import hash_json
from clip_pipeline.images.decoders import shared_decoders
from clip_pipeline.images.download import download_shard
from clip_pipeline.images.previous import SHARDS_VERSION, PreviousShard, may_pass
from clip_pipeline.progress import progress
from clip_pipeline.publication import published_file, published_shard, remove_other_shards
from clip_pipeline.recipes import DownloadSettings, fingerprinted

if TYPE_CHECKING:
    from clip_pipeline.sources.fetch import PhotoFetcher

logger = logging.getLogger(__name__)

SHARDS_AT_A_TIME = 2
"""While the slowest photos of one shard are waited for, and while it is written, the next one is fetched."""


def download_catalog(
    catalog: Path,
    output: Path,
    settings: DownloadSettings,
    fetcher: PhotoFetcher,
    workers: int = 0,
    retry: bool = False,
    taken_down: Collection[str] = (),
) -> Counter[str]:
    """Downloads a catalog, a folder of `write_catalog`, into NNNNN.tar, .parquet and _stats.json below `output`, and sizes.json, which says how many
    photos each tar holds. Returns the number of photos by status.

    A shard is finished when its stats are there and say that they are of the same photos and settings. With `retry`, it is
    made again when it has failures that may pass; unless the settings say otherwise, a shard that is made again takes what
    it can from the old one. Shards that the catalog has no more are removed. Memory holds two shards' tables, however many there are. workers: processes that decode; 0 is one a core.
    """
    import pyarrow.parquet as pq

    tables = {path.stem: path for path in sorted((catalog / "shards").glob("*.parquet"))}
    photos = sum(pq.read_metadata(path).num_rows for path in tables.values())
    made_with = hash_json([SHARDS_VERSION, fingerprinted(settings), sorted(taken_down)])
    decoders = shared_decoders(workers)
    with (
        progress("Downloading", total=photos, unit="photo") as bar,
        ThreadPoolExecutor(settings.connections, thread_name_prefix="download") as threads,
        ThreadPoolExecutor(SHARDS_AT_A_TIME, thread_name_prefix="shard") as builders,
    ):

        def make(shard: str) -> dict[str, Any]:
            rows = pq.read_table(tables[shard])

            def build(folder: Path, work: Path, reusable: bool) -> dict[str, Any]:
                return download_shard(
                    rows,
                    folder,
                    settings,
                    fetcher,
                    work=work,
                    decoders=decoders,
                    previous=PreviousShard(output, shard) if reusable and settings.reuse else None,
                    taken_down=taken_down,
                    threads=threads,
                    bar=bar,
                )

            plan = hash_json([hash_json(rows.to_pylist()), made_with])
            return published_shard(
                output, shard, plan, made_with, build, lambda stats: retry and _may_gain(output, shard)
            )

        stats_of = dict(zip(tables, builders.map(make, tables), strict=True))
    removed = remove_other_shards(output, tables)
    if removed:
        logger.info("Removed %d shards that the list has no more", len(removed))
    with published_file(output / "sizes.json") as path:
        sizes = {f"{shard}.tar": stats["successes"] for shard, stats in stats_of.items()}
        path.write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")
    statuses: Counter[str] = Counter()
    for stats in stats_of.values():
        statuses.update(stats["status"])
    return statuses


def _may_gain(output: Path, shard: str) -> bool:
    """Whether a finished shard has failures that another try may not meet."""
    import pyarrow.parquet as pq

    rows = pq.read_table(output / f"{shard}.parquet", columns=["status", "error_message"])
    return any(may_pass(row["status"], row["error_message"]) for row in rows.to_pylist())
