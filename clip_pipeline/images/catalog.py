"""Links to photos: one row a photo, and the shard that it belongs to."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
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

    links = pa.concat_tables(list(link_tables)).sort_by([(name, "ascending") for name in ("word", "rank", "id")])
    photos: dict[str, dict[str, Any]] = {}
    for row in links.to_pylist():
        word, _ = row.pop("word"), row.pop("rank")
        photo = photos.setdefault(row["id"], {**row, "captions": [], "words": []})
        photo["captions"] = list(dict.fromkeys(photo["captions"] + row["captions"]))
        if word and word not in photo["words"][-1:]:
            photo["words"].append(word)
    shards = _shard_count(len(photos), photos_per_shard)
    members: dict[int, list[dict[str, Any]]] = {}
    for photo in photos.values():
        members.setdefault(_shard_of(photo["id"], shards), []).append(photo)
    rows = [
        photo | {"shard": f"{shard:05d}", "key": key}
        for shard in sorted(members)
        for key, photo in _keyed(shard, members[shard])
    ]
    logger.info("%s links name %s photos in %s shards", f"{len(links):,}", f"{len(rows):,}", len(members))
    return pa.Table.from_pylist(rows, schema=PHOTO_CATALOG)


def _shard_count(photos: int, photos_per_shard: int) -> int:
    """The smallest power of two that keeps shards at or below the size on average."""
    count = 1
    while count * photos_per_shard < photos:
        count *= 2
    return count


def _keyed(shard: int, photos: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key, photo) by id. Places have four digits, all of them more in a shard of more than 10,000: keys sort as text."""
    digits = max(4, len(str(len(photos) - 1)))
    for place, photo in enumerate(sorted(photos, key=lambda photo: photo["id"])):
        yield f"{shard:05d}{place:0{digits}d}", photo


def _shard_of(photo_id: str, shards: int) -> int:
    return int.from_bytes(hashlib.sha256(photo_id.encode()).digest()[:8], "big") % shards
