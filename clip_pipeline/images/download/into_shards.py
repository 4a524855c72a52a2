"""Listed photos into shards: the catalog of them, then the download, without what was taken down there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.images.catalog import write_catalog
from clip_pipeline.images.download.catalog import download_catalog
from clip_pipeline.images.download.folder_takedown import end_begun_take_down
from clip_pipeline.images.links.listed import links_without_word
from clip_pipeline.images.takedown import TAKEDOWNS_FILE, read_takedowns
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.storage.scratch import scratch_folder
from clip_pipeline.storage.shard_folder import only_writer_of_shards

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher


def download_listed(
    photos: Iterable[pa.Table],
    output: Path,
    settings: DownloadSettings,
    fetcher: PhotoFetcher,
    workers: int = 0,
    retry: bool = False,
) -> Counter[str]:
    """Downloads photos of no word (PHOTO_FIELDS, in tables) into shards below `output`; returns their number by status.

    workers: processes that decode, 0 is one a core. retry: whether failures that may have passed are tried again.
    """
    with only_writer_of_shards(output), scratch_folder("catalog") as scratch:
        end_begun_take_down(output)
        gone = read_takedowns(output / TAKEDOWNS_FILE)
        catalog = scratch / "catalog"
        write_catalog(map(links_without_word, photos), settings.photos_per_shard, catalog, gone.ids)
        return download_catalog(catalog, output, settings, fetcher, workers, retry, gone.sha256s)
