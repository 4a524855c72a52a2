"""The photos of a url list into webdataset shards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.storage.published import check_growing_folder

if TYPE_CHECKING:
    from clip_pipeline.sources.web.api_session import Hosts


def download(
    links: str | Path,
    output: str | Path,
    *,
    retry: bool = False,
    recipe: str | Recipe = "",
    settings: Settings = (),
    hosts: Hosts | None = None,
    progress: bool = False,
) -> dict[str, int]:
    """Downloads a url list into shards below `output`; returns the number of photos by status of `records.PHOTO_STATUSES`.

    links: Parquet, CSV, TSV, JSONL or txt. output: gets 00000.tar (webdataset), 00000.parquet (records.SHARD_ATTEMPTS, every
    attempt with its status), 00000_stats.json, …, and sizes.json. Finished shards of the same links and settings are kept; what one
    lacks that may succeed now is asked for again when its time has come, at once with `retry`. What was taken down in `output` does not come back. recipe, settings: of
    which `download`, `pairs` (filters of a list), `links.caption_keys` and `compute` count. hosts: names that stand for an
    address of ours, the only way to loopback. progress: show a bar on a terminal. A photo that cannot be had is a row with a
    reason. Raises InputError for a list that cannot be read, StoreError for an output that is a file or a full disk, OutageError where
    more photos of a shard than `download.max_outage_percent` could not be had for now: the shard is left as it was.
    """
    from clip_pipeline.images.download.into_shards import download_listed
    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.photos.url_list import list_url_photos

    chosen = recipe_of(recipe, settings)
    check_growing_folder(output)
    left_out = LeftOut()
    listed = list_url_photos(Path(links), left_out, chosen.pairs, chosen.links.caption_keys)
    with shown_progress(progress), PhotoFetcher(chosen.download, hosts or {}) as fetcher:
        counts = download_listed(listed, Path(output), chosen.download, fetcher, chosen.compute.workers, retry)
    left_out.say(str(links))
    _statuses_of(Path(output)).say(str(output))
    return dict(counts)


def _statuses_of(output: Path) -> LeftOut:
    """The photos that are in no shard of the folder, by the reason."""
    import pyarrow.parquet as pq

    from clip_pipeline.images.photos_left_out import count_statuses

    found = LeftOut()
    for table in sorted(output.glob("[0-9]*.parquet")):
        count_statuses(pq.read_table(table, columns=["id", "status", "error_message"]), found)
    return found


def lacking_sentence(output: str | Path, settings: Settings = ()) -> str:
    """What the shards below `output` lack for now and when it is asked for again, as a sentence; "" where nothing."""
    from clip_pipeline.images.download.catalog import lacking
    from clip_pipeline.images.download.outage import now_utc

    found = lacking(Path(output))
    if not found:
        return ""
    shard, lack = min(found.items(), key=lambda item: item[1].tried)
    sentence = lack.sentence(recipe_of("", settings).download.retry_minutes, now_utc())
    others = f"; {len(found) - 1:,} more lack {sum(one.photos for one in found.values()) - lack.photos:,}"
    return f"Incomplete: shard {shard} {sentence}{others if len(found) > 1 else ''}"
