"""All shards of a catalog, side by side in one folder of the user's choice."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.download.decode_pool import shared_decode_pool
from clip_pipeline.images.download.outage import Lack, add_tries, lack_of, now_utc
from clip_pipeline.images.download.reuse import SHARDS_VERSION, PreviousShard
from clip_pipeline.images.download.shard import download_shard
from clip_pipeline.machine.memory import give_memory_back, use_few_arenas
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import DownloadSettings, fingerprinted
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.published import published_file
from clip_pipeline.storage.shard_folder import finished_shards, published_shard, remove_other_shards, shard_stats

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

    A shard is finished when its stats are there and say that they are of the same photos and settings. One that lacks photos for
    now is tried again when its time has come, at once with `retry`; unless the settings say otherwise, a shard that is made again
    takes what it can from the old one. Shards that the catalog has no more are removed. Memory holds two shards' tables, however many there are. workers: processes that decode; 0 is one a core.
    """
    import pyarrow.parquet as pq

    use_few_arenas()
    tables = {path.stem: path for path in sorted((catalog / "shards").glob("*.parquet"))}
    photos = sum(pq.read_metadata(path).num_rows for path in tables.values())
    form = hash_json([SHARDS_VERSION, settings.form()])
    limits = hash_json(fingerprinted(settings))
    decoders = shared_decode_pool(workers)
    with (
        progress("Downloading", total=photos, unit="photo") as bar,
        ThreadPoolExecutor(settings.connections, thread_name_prefix="download") as threads,
        ThreadPoolExecutor(SHARDS_AT_A_TIME, thread_name_prefix="shard") as builders,
    ):

        def make(shard: str) -> dict[str, Any]:
            rows = pq.read_table(tables[shard])

            def build(folder: Path, work: Path, reusable: bool) -> dict[str, Any]:
                old = shard_stats(output, shard)
                stats = download_shard(
                    rows,
                    folder,
                    settings,
                    fetcher,
                    work=work,
                    decoders=decoders,
                    previous=PreviousShard(output, shard, settings, same_form=reusable, ask_again=not settings.reuse)
                    if old
                    else None,
                    taken_down=taken_down,
                    threads=threads,
                    bar=bar,
                )
                add_tries(stats, lack_of(old))
                return stats

            plan = hash_json([hash_json(rows.to_pylist()), form, limits])

            def again(stats: dict[str, Any]) -> bool:
                return _holds(output, shard, taken_down) or _wants_another_try(stats, settings, retry)

            stats = published_shard(output, shard, plan, form, build, again)
            give_memory_back()
            return stats

        stats_of = dict(zip(tables, builders.map(make, tables), strict=True))
    removed = remove_other_shards(output, tables)
    if removed:
        logger.info("Removed %d shards that the list has no more", len(removed))
    write_sizes(output, stats_of)
    statuses: Counter[str] = Counter()
    for stats in stats_of.values():
        statuses.update(stats["status"])
    return statuses


def write_sizes(output: Path, stats_of: Mapping[str, dict[str, Any]]) -> None:
    """sizes.json, where open_clip's trainer looks for the number of photos of each tar."""
    with published_file(output / "sizes.json") as path:
        sizes = {f"{shard}.tar": stats["successes"] for shard, stats in stats_of.items()}
        path.write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")


def lacking(output: Path) -> dict[str, Lack]:
    """Shard -> what it lacks for now, of the finished shards that lack photos."""
    found = {shard: lack_of(stats) for shard, stats in finished_shards(output).items()}
    return {shard: lack for shard, lack in found.items() if lack is not None}


def _holds(output: Path, shard: str, taken_down: Collection[str]) -> bool:
    """Whether a finished shard holds bytes that were taken down."""
    import pyarrow.parquet as pq

    if not taken_down:
        return False
    held = pq.read_table(output / f"{shard}.parquet", columns=["sha256"])["sha256"].to_pylist()
    return not set(taken_down).isdisjoint(held)


def _wants_another_try(stats: dict[str, Any], settings: DownloadSettings, retry: bool) -> bool:
    """Whether a finished shard lacks photos and it is time to ask for them."""
    lack = lack_of(stats)
    return lack is not None and (retry or lack.is_due(settings.retry_minutes, now_utc()))
