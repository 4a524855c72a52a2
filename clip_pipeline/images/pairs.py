"""Valid image–text pairs, and the split that keeps a photo and its near-duplicates on one side."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import PhotosError
from clip_pipeline.images.dedupe import near_duplicate_groups
from clip_pipeline.recipes import PairsSettings
from clip_pipeline.records import IMAGE_TEXT_PAIRS, SPLITS

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


def build_pairs(
    attempts: Iterable[pa.Table], settings: PairsSettings, clean_caption: Callable[[str], str]
) -> tuple[pa.Table, dict[str, int]]:
    """(IMAGE_TEXT_PAIRS sorted by photo id and caption, number of things dropped by reason).

    attempts: SHARD_ATTEMPTS of every shard. Photos with a status other than success, photos without any caption left, and
    captions that are too short after cleaning are dropped. Exact duplicates (equal sha256) keep one photo, that with
    the smallest id.

    Groups are split by a stable hash of their name and the seed. A split that the source gave wins: where a group holds
    several, photos of the last of train, validation, test stay and those of the others are dropped. Photos that the source
    put nowhere are not added to a split that it did fill, but trained on. So an official test set stays as it is, and
    nothing that is tested was trained on.

    Raises PhotosError when no pair is left.
    """
    import pyarrow as pa

    dropped: Counter[str] = Counter()
    photos = _valid_photos(attempts, settings, clean_caption, dropped)
    if not photos:
        raise PhotosError(
            f"No valid pair of photo and caption is left: {dict(dropped)}. Look at the statuses of image_shards."
        )
    groups = near_duplicate_groups(
        [photo["phash"] for photo in photos],
        [photo["thumbnail"] for photo in photos],
        [[photo["sha256"] for photo in photos]],
        settings.duplicate_bits,
    )
    splits = _split_groups(photos, groups, settings)
    copies: set[str] = set()
    rows = [
        {
            **{name: photo[name] for name in ("shard", "key", "width", "height")},
            "photo_id": photo["id"],
            "caption_index": place,
            "caption": caption,
            "split": splits[group],
            "group": photos[group]["id"],
        }
        for photo, group in zip(photos, groups, strict=True)
        if _is_kept(photo, splits[group], copies, dropped)
        for place, caption in enumerate(photo["captions"])
    ]
    table = pa.Table.from_pylist(rows, schema=IMAGE_TEXT_PAIRS)
    logger.info(
        "Kept %s pairs of %s photos in %s groups", f"{len(rows):,}", f"{len(photos):,}", f"{len(set(groups)):,}"
    )
    return table, dict(sorted(dropped.items()))


def _valid_photos(
    attempts: Iterable[pa.Table],
    settings: PairsSettings,
    clean_caption: Callable[[str], str],
    dropped: Counter[str],
) -> list[dict[str, Any]]:
    """Successful photos with cleaned captions, sorted by id: the first of a group is then the one that names it."""
    columns = ["id", "shard", "key", "captions", "status", "width", "height", "sha256", "phash", "thumbnail", "split"]
    photos = []
    for table in attempts:
        for photo in table.select(columns).to_pylist():
            if photo["status"] != "success":
                dropped[f"photo {photo['status']}"] += 1
                continue
            cleaned = dict.fromkeys(clean_caption(caption) for caption in photo["captions"])
            photo["captions"] = [text for text in cleaned if len(text.split()) >= settings.min_caption_words]
            dropped["caption too_few_words"] += len(cleaned) - len(photo["captions"])
            if photo["captions"]:
                photos.append(photo)
            else:
                dropped["photo without caption"] += 1
    return sorted(photos, key=lambda photo: photo["id"])


def _is_kept(photo: dict[str, Any], split: str, copies: set[str], dropped: Counter[str]) -> bool:
    """False for a near-duplicate of a photo in another split, and for a byte-for-byte copy of a photo kept before."""
    if photo["split"] in SPLITS and photo["split"] != split:
        dropped[f"photo near_duplicate_in_{split}"] += 1
        return False
    copy = photo["sha256"] in copies
    copies.add(photo["sha256"])
    dropped["photo exact_duplicate"] += copy
    return not copy


def _split_groups(photos: list[dict[str, Any]], groups: list[int], settings: PairsSettings) -> dict[int, str]:
    given: dict[int, set[str]] = {}
    for photo, group in zip(photos, groups, strict=True):
        given.setdefault(group, set())
        if photo["split"] in SPLITS:
            given[group].add(photo["split"])
    filled = {split for splits in given.values() for split in splits}
    return {
        group: max(splits, key=SPLITS.index) if splits else _free_split(photos[group]["id"], settings, filled)
        for group, splits in given.items()
    }


def _free_split(name: str, settings: PairsSettings, filled: set[str]) -> str:
    split = _hashed_split(name, settings)
    return "train" if split in filled else split


def _hashed_split(name: str, settings: PairsSettings) -> str:
    digest = hashlib.sha256(f"{settings.seed} {name}".encode()).digest()
    percent = int.from_bytes(digest[:8], "big") / 2**64 * 100
    if percent < settings.test_percent:
        return "test"
    return "validation" if percent < settings.test_percent + settings.validation_percent else "train"
