"""Photos of one shard: fetched at the same time, checked, and written in the order of their keys."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.decode import RejectedPhoto, check_photo
from clip_pipeline.images.dedupe import colour_thumbnail, perceptual_hash
from clip_pipeline.images.shards import write_shard
from clip_pipeline.progress import progress
from clip_pipeline.recipes import DownloadSettings
from clip_pipeline.records import SHARD_ATTEMPTS

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher

logger = logging.getLogger(__name__)

Attempt = tuple[dict[str, Any], bytes | None]


def download_shard(photos: pa.Table, folder: Path, settings: DownloadSettings, fetcher: PhotoFetcher) -> dict[str, Any]:
    """Writes NNNNN.tar (jpg, json, txt a photo), NNNNN.parquet (every attempt) and NNNNN_stats.json into `folder`.

    photos: PHOTO_CATALOG rows of one shard. Returns what the stats say: photos tried, bytes stored, and `status`, the
    number of photos by status. A photo that cannot be had is a row with its reason. The bytes of the three files
    depend on what was fetched, not on how many connections there were or which answer came first.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = photos.to_pylist()
    shard = rows[0]["shard"]
    with (
        progress(f"Downloading shard {shard}", total=len(rows), unit="photo") as bar,
        ThreadPoolExecutor(settings.connections, thread_name_prefix="download") as pool,
    ):
        attempts = []
        for attempt in pool.map(lambda row: _attempt_photo(row, settings, fetcher), rows):
            attempts.append(attempt)
            bar.advance()
    samples = [(row["key"], _members(row, jpeg)) for row, jpeg in attempts if jpeg is not None]
    write_shard(folder / f"{shard}.tar", samples)
    table = pa.Table.from_pylist([row for row, _ in attempts], schema=SHARD_ATTEMPTS)
    pq.write_table(table, folder / f"{shard}.parquet", compression="zstd")
    statuses = Counter(row["status"] for row, _ in attempts)
    stats = {
        "shard": shard,
        "tried": len(rows),
        "bytes": sum(len(jpeg) for _, jpeg in attempts if jpeg is not None),
        "status": dict(sorted(statuses.items())),
    }
    (folder / f"{shard}_stats.json").write_text(json.dumps(stats, indent=1, sort_keys=True) + "\n")
    logger.info("Shard %s: %s", shard, stats["status"])
    return stats


def _attempt_photo(row: dict[str, Any], settings: DownloadSettings, fetcher: PhotoFetcher) -> Attempt:
    """One photo from its url to its row, and the JPEG to store unless the status says why not."""
    caption = row["captions"][0] if row["captions"] else None
    fetched = fetcher.fetch(row["url"])
    if fetched.content is None:
        return _failed(row, caption, fetched.status, fetched.error_message), None
    checked = check_photo(fetched.content, settings)
    if isinstance(checked, RejectedPhoto):
        return _failed(row, caption, checked.status, checked.message), None
    found = {
        "caption": caption,
        "status": "success",
        "width": checked.width,
        "height": checked.height,
        "original_width": checked.original_width,
        "original_height": checked.original_height,
        "exif": checked.exif,
        "sha256": hashlib.sha256(fetched.content).hexdigest(),
        "phash": perceptual_hash(checked.picture),
        "thumbnail": colour_thumbnail(checked.picture),
    }
    return row | found, checked.jpeg


def _failed(row: dict[str, Any], caption: str | None, status: str, message: str | None) -> dict[str, Any]:
    """The row of a photo that is not stored: it has no size, whatever the source said of the original."""
    return row | {"caption": caption, "status": status, "error_message": message, "width": None, "height": None}


def _members(row: dict[str, Any], jpeg: bytes) -> dict[str, bytes]:
    """The files of one sample: photo, first caption, and everything else that is known of it."""
    told = {name: value for name, value in row.items() if name not in ("thumbnail", "error_message")}
    return {
        "jpg": jpeg,
        "txt": (row["caption"] or "").encode(),
        "json": json.dumps(told, sort_keys=True, ensure_ascii=False).encode(),
    }
