"""Valid image–text pairs, and the split that keeps a photo and its near-duplicates on one side."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.images.caption_rules import CaptionRules
from clip_pipeline.images.dedupe import near_duplicate_groups
from clip_pipeline.images.photos_left_out import count_statuses
from clip_pipeline.records import IMAGE_TEXT_PAIRS, SPLITS
from clip_pipeline.settings import PairsSettings
from clip_pipeline.sources.photos.rating_filters import unfit_ratings

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


def build_pairs(
    attempts: Iterable[pa.Table], settings: PairsSettings, clean_caption: Callable[[str], str]
) -> tuple[pa.Table, LeftOut]:
    """(IMAGE_TEXT_PAIRS sorted by photo id and caption, what was dropped by reason, which whoever asked says).

    attempts: SHARD_ATTEMPTS of every shard. Dropped are photos with a status other than success, of a size, shape, share
    of text or rating that the settings exclude, or without any caption left; and captions that after cleaning have too few or too many
    words, another script or language, or stand with too many photos. Exact duplicates (equal sha256) keep one photo, that
    with the smallest id, with the captions of all.

    Groups are split by a stable hash of their name and the seed. A split that the source gave wins: where a group holds
    several, photos of the last of train, validation, test stay and those of the others are dropped. Photos that the source
    put nowhere are not added to a split that it did fill, but trained on. So an official test set stays as it is, and
    nothing that is tested was trained on.

    Raises PhotosError when no pair is left, SettingsError for a language that has no list of function words.
    """
    dropped = LeftOut()
    photos = _valid_photos(attempts, settings, clean_caption, dropped)
    if not len(photos):
        found = {reason: count for reason, count in sorted(dropped.items()) if count}
        raise PhotosError(f"No valid pair of photo and caption is left: {found}. {dropped.advice()}")
    sha256 = photos["sha256"].to_pylist()
    groups = near_duplicate_groups(
        photos["phash"].to_numpy(), photos["thumbnail"].to_pylist(), [sha256], settings.duplicate_bits
    )
    given, ids = photos["split"].to_pylist(), photos["id"].to_pylist()
    splits = _split_groups(ids, given, groups, settings)
    kept, copies = _kept_rows(ids, sha256, given, [splits[group] for group in groups], dropped)
    names = {"split": [splits[groups[row]] for row in kept], "group": [ids[groups[row]] for row in kept]}
    table = _pair_rows(photos, kept, copies, names)
    logger.info("Kept %s pairs of %s photos in %s groups", f"{len(table):,}", f"{len(kept):,}", f"{len(set(groups)):,}")
    return table, dropped


def _valid_photos(
    attempts: Iterable[pa.Table],
    settings: PairsSettings,
    clean_caption: Callable[[str], str],
    dropped: LeftOut,
) -> pa.Table:
    """Stored photos with cleaned captions, sorted by id: the first of a group is then the one that names it."""
    import pyarrow as pa

    rules = CaptionRules(settings)
    tables = []
    for table in attempts:
        photos = _photos_that_fit(table, settings, dropped)
        captions = [_cleaned(texts, clean_caption, rules, dropped) for texts in photos.column("captions").to_pylist()]
        place = photos.schema.get_field_index("captions")
        tables.append(photos.set_column(place, "captions", pa.array(captions, pa.list_(pa.string()))))
    if not tables:
        return pa.table({})
    photos = pa.concat_tables(tables)
    if settings.max_caption_photos:
        photos = _without_repeated(photos, settings.max_caption_photos, dropped)
    return _with_captions(photos, dropped).sort_by("id").combine_chunks()


def _photos_that_fit(table: pa.Table, settings: PairsSettings, dropped: LeftOut) -> pa.Table:
    """The columns that pairs need of the photos whose status, size, shape, share of text and ratings are right."""
    import pyarrow.compute as pc

    count_statuses(table, dropped)
    photos = table.filter(pc.equal(table["status"], "success"))
    width, height = (photos[f"original_{side}"].fill_null(0).to_numpy() for side in ("width", "height"))
    shorter, longer = np.minimum(width, height), np.maximum(width, height)
    shown = photos["text_share"].fill_null(0.0).to_numpy()
    small = (shorter < settings.min_side) & (longer > 0)
    long = (longer > settings.max_aspect * shorter) & bool(settings.max_aspect)
    reasons = {"small": small, "long_and_narrow": long, "mostly_text": shown > settings.max_text_share}
    reasons |= unfit_ratings(photos, settings)
    fits = np.ones(len(photos), bool)
    for reason, wrong in reasons.items():
        left_out = fits & wrong
        example = photos["id"][int(left_out.argmax())].as_py() if left_out.any() else ""
        dropped.add(f"photo {reason}", int(left_out.sum()), example)
        fits &= ~wrong
    columns = ["id", "shard", "key", "captions", "width", "height", "sha256", "phash", "thumbnail", "split"]
    return photos.select(columns).filter(fits)


def _cleaned(
    captions: list[str], clean_caption: Callable[[str], str], rules: CaptionRules, dropped: LeftOut
) -> list[str]:
    kept = []
    for caption in dict.fromkeys(clean_caption(text) for text in captions):
        reason = rules.reason(caption)
        if reason:
            dropped.add(f"caption {reason}", 1, caption)
        else:
            kept.append(caption)
    return kept


def _without_repeated(photos: pa.Table, max_photos: int, dropped: LeftOut) -> pa.Table:
    """Without the captions that stand with more photos than that, upper and lower case being the same."""
    import pyarrow as pa
    import pyarrow.compute as pc

    captions = photos["captions"].combine_chunks()
    folded = pc.utf8_lower(captions.flatten())
    owners = pc.list_parent_indices(captions)
    once = pa.table({"caption": folded, "photo": owners}).group_by(["caption", "photo"]).aggregate([])
    counts = once["caption"].value_counts()
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), max_photos))
    few = pc.invert(pc.is_in(folded, value_set=repeated)).to_numpy(zero_copy_only=False)
    example = repeated[0].as_py() if len(repeated) else ""
    dropped.add("caption on_many_photos", int((~few).sum()), example)
    sizes = np.bincount(owners.to_numpy()[few], minlength=len(photos))
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    left = pa.ListArray.from_arrays(offsets, captions.flatten().filter(pa.array(few)))
    return photos.set_column(photos.schema.get_field_index("captions"), "captions", left)


def _with_captions(photos: pa.Table, dropped: LeftOut) -> pa.Table:
    import pyarrow.compute as pc

    captioned = pc.greater(pc.list_value_length(photos["captions"]), 0)
    left = photos.filter(captioned)
    without = photos["id"].filter(pc.invert(captioned))
    dropped.add("photo without caption", len(without), without[0].as_py() if len(without) else "")
    return left


def _kept_rows(
    ids: list[str], sha256: list[str], given: list[str | None], splits: list[str], dropped: LeftOut
) -> tuple[list[int], dict[int, list[int]]]:
    """(the photos kept, the byte-for-byte copies of each that has some). Not kept either: a near-duplicate of a photo that
    the source put into another split."""
    first_of: dict[str, int] = {}
    copies: dict[int, list[int]] = {}
    for row, (name, digest, own, split) in enumerate(zip(ids, sha256, given, splits, strict=True)):
        if own in SPLITS and own != split:
            dropped.add(f"photo near_duplicate_in_{split}", 1, name)
        elif first_of.setdefault(digest, row) != row:
            dropped.add("photo exact_duplicate", 1, f"{name}, the same bytes as {ids[first_of[digest]]}")
            copies.setdefault(first_of[digest], []).append(row)
    return list(first_of.values()), copies


def _pair_rows(
    photos: pa.Table, kept: list[int], copies: dict[int, list[int]], names: dict[str, list[str]]
) -> pa.Table:
    """IMAGE_TEXT_PAIRS of the kept photos, each with its captions and those of its copies that are new."""
    import pyarrow as pa

    lists = photos["captions"].take(pa.array(kept, pa.int64())).to_pylist()
    for place, row in enumerate(kept):
        if row in copies:
            more = photos["captions"].take(pa.array(copies[row], pa.int64())).to_pylist()
            lists[place] = list(dict.fromkeys(itertools.chain(lists[place], *more)))
    sizes = [len(captions) for captions in lists]
    owners = np.repeat(np.arange(len(kept)), sizes)
    rows = photos.take(pa.array(np.array(kept, np.int64)[owners]))
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    columns = {
        "photo_id": rows["id"],
        **{name: rows[name] for name in ("shard", "key", "width", "height")},
        "caption_index": pa.array((np.arange(len(owners)) - starts).astype(np.int32)),
        "caption": pa.array(list(itertools.chain.from_iterable(lists)), pa.string()),
        **{name: pa.array(values, pa.string()).take(pa.array(owners)) for name, values in names.items()},
    }
    return pa.Table.from_arrays([columns[name] for name in IMAGE_TEXT_PAIRS.names], schema=IMAGE_TEXT_PAIRS)


def _split_groups(
    ids: list[str], given: list[str | None], groups: list[int], settings: PairsSettings
) -> dict[int, str]:
    splits_in: dict[int, set[str]] = {}
    for split, group in zip(given, groups, strict=True):
        splits_in.setdefault(group, set())
        if split in SPLITS:
            splits_in[group].add(split)
    filled = {split for splits in splits_in.values() for split in splits}
    return {
        group: max(splits, key=SPLITS.index) if splits else _free_split(ids[group], settings, filled)
        for group, splits in splits_in.items()
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
