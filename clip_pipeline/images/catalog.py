"""Links to photos: one row a photo, and the shard that it belongs to."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from clip_pipeline.records import PHOTO_CATALOG

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


def build_catalog(link_tables: Iterable[pa.Table], photos_per_shard: int) -> pa.Table:
    """PHOTO_CATALOG: photos deduplicated by id, sorted by shard and key.

    link_tables: IMAGE_LINKS. A photo found under several words has all of them, sorted; its captions are united in the order
    in which they come, words by the alphabet. The shard follows from the id alone while the number of shards stays the
    same, and that is a power of two, so new photos touch only the shards that they fall into until the catalog doubles.
    """
    import pyarrow as pa

    links = pa.concat_tables(list(link_tables)).sort_by([("word", "ascending"), ("rank", "ascending")])
    photos: dict[str, dict[str, Any]] = {}
    for row in links.to_pylist():
        word, _ = row.pop("word"), row.pop("rank")
        photo = photos.setdefault(row["id"], {**row, "captions": [], "words": []})
        photo["captions"] += [caption for caption in row["captions"] if caption not in photo["captions"]]
        if word:
            photo["words"].append(word)
    shards = _shard_count(len(photos), photos_per_shard)
    members: dict[int, list[dict[str, Any]]] = {}
    for photo in photos.values():
        members.setdefault(_shard_of(photo["id"], shards), []).append(photo)
    rows = [
        photo | {"shard": f"{shard:05d}", "key": f"{shard:05d}{place:04d}"}
        for shard in sorted(members)
        for place, photo in enumerate(sorted(members[shard], key=lambda photo: photo["id"]))
    ]
    logger.info("%s links name %s photos in %s shards", f"{len(links):,}", f"{len(rows):,}", len(members))
    return pa.Table.from_pylist(rows, schema=PHOTO_CATALOG)


def _shard_count(photos: int, photos_per_shard: int) -> int:
    """The smallest power of two that keeps shards at or below the size on average."""
    count = 1
    while count * photos_per_shard < photos:
        count *= 2
    return count


def _shard_of(photo_id: str, shards: int) -> int:
    return int.from_bytes(hashlib.sha256(photo_id.encode()).digest()[:8], "big") % shards
