"""Checks of the quality of photos and captions. None stops a run: each tells numbers that a person should see.

Where one warns, a setting of `pairs` drops what it speaks of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.photo_sources.registry import source_class
from clip_pipeline.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

FEW_PHOTOS, SHARE_OF_PHOTOS = 10, 0.01
"""A caption is repeated where it stands with more than ten photos, and with more than 1 % of all."""

MAX_REPEATED = 0.05
SHORTEST, LONGEST = 3, 60
MAX_OF_ODD_LENGTH = 0.25
MAX_IN_OTHER_LANGUAGES = 0.1
TEXT_SHARE, MAX_TEXT_ONLY = 0.2, 0.05
NARROWEST, SMALLEST, MAX_OF_ODD_SIZE = 3.0, 64, 0.1
MAX_WITHOUT_PHOTOS = 0.5
ROWS_AT_A_TIME = 65_536


def captions_are_rarely_repeated(workspace: Workspace, partition: str) -> CheckOutcome:
    counts: Counter[str] = Counter()
    photos: set[str] = set()
    for pairs in _pairs(workspace, ["photo_id", "caption"]):
        counts.update(pairs["caption"].to_pylist())
        photos.update(pairs["photo_id"].to_pylist())
    most = max(FEW_PHOTOS, SHARE_OF_PHOTOS * len(photos))
    repeated = {caption: count for caption, count in counts.items() if count > most}
    share = sum(repeated.values()) / max(counts.total(), 1)
    found = f"{len(repeated):,} captions stand with more than {most:,.0f} photos; they are {share:.1%} of the pairs"
    if repeated:
        found += (
            f", such as {max(repeated, key=lambda caption: (repeated[caption], caption))!r}. See max_caption_photos."
        )
    return CheckOutcome(share <= MAX_REPEATED, found, {"repeated": len(repeated), "share": share})


def captions_have_a_usual_length(workspace: Workspace, partition: str) -> CheckOutcome:
    words = np.concatenate(
        [[len(text.split()) for text in pairs["caption"].to_pylist()] for pairs in _pairs(workspace, ["caption"])]
        or [[]]
    )
    short, long = int((words < SHORTEST).sum()), int((words > LONGEST).sum())
    share = (short + long) / max(len(words), 1)
    found = f"{short:,} of {len(words):,} captions have fewer than {SHORTEST} words, {long:,} more than {LONGEST}"
    return CheckOutcome(share <= MAX_OF_ODD_LENGTH, found, {"short": short, "long": long, "share": share})


def captions_are_in_one_language(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.images.caption_rules import language_hits, may_be_in

    hits: Counter[str] = Counter()
    for pairs in _pairs(workspace, ["caption"]):
        for caption in pairs["caption"].to_pylist():
            hits.update(language_hits(caption))
    if not hits:
        return CheckOutcome(True, "no caption has a function word that would tell its language")
    main = max(hits, key=lambda language: (hits[language], language))
    captions = other = 0
    for pairs in _pairs(workspace, ["caption"]):
        captions += len(pairs)
        other += sum(not may_be_in(caption, main) for caption in pairs["caption"].to_pylist())
    share = other / max(captions, 1)
    found = f"{other:,} of {captions:,} captions are in another language than most ({main})"
    return CheckOutcome(share <= MAX_IN_OTHER_LANGUAGES, found, {"language": main, "other": other, "share": share})


def images_show_little_text(workspace: Workspace, partition: str) -> CheckOutcome:
    shown = np.concatenate(
        [attempts["text_share"].drop_null().to_numpy() for attempts in _attempts(workspace, partition)] or [[]]
    )
    full = int((shown > TEXT_SHARE).sum())
    share = full / max(len(shown), 1)
    found = f"{full:,} of {len(shown):,} images show text on more than {TEXT_SHARE:.0%} of their area"
    return CheckOutcome(share <= MAX_TEXT_ONLY, found, {"mostly text": full, "share": share})


def photos_have_usual_sizes(workspace: Workspace, partition: str) -> CheckOutcome:
    small = narrow = odd = photos = 0
    for attempts in _attempts(workspace, partition):
        sizes = [attempts[f"original_{side}"].drop_null().to_numpy() for side in ("width", "height")]
        shorter, longer = np.minimum(*sizes), np.maximum(*sizes)
        is_small, is_narrow = shorter < SMALLEST, longer > NARROWEST * shorter
        small, narrow = small + int(is_small.sum()), narrow + int(is_narrow.sum())
        odd, photos = odd + int((is_small | is_narrow).sum()), photos + len(shorter)
    share = odd / max(photos, 1)
    found = (
        f"of {photos:,} photos {small:,} have a side below {SMALLEST} pixels, {narrow:,} are more than {NARROWEST:g} "
        "times as long as wide"
    )
    return CheckOutcome(share <= MAX_OF_ODD_SIZE, found, {"small": small, "narrow": narrow, "share": share})


def words_have_photos(workspace: Workspace, partition: str) -> CheckOutcome:
    words = workspace.get("image_links", partition).rows["words"]
    links = _pieces(workspace, "image_links", "links.parquet", ["word"], partition)
    captioned = len(set().union(*(table["word"].unique().to_pylist() for table in links)))
    share = (words - captioned) / max(words, 1)
    found = f"{words - captioned:,} of {words:,} words have no photo"
    return CheckOutcome(share <= MAX_WITHOUT_PHOTOS, found, {"without photo": words - captioned, "share": share})


def photos_have_licences(workspace: Workspace, partition: str) -> CheckOutcome:
    missing = photos = 0
    for table in _pieces(workspace, "photo_catalog", "photos.parquet", ["licence"]):
        missing, photos = missing + table["licence"].null_count, photos + len(table)
    source = source_class(workspace.recipe)
    found = f"{missing:,} of {photos:,} photos have no licence"
    if missing and source.owner_knows_licences:
        found += f"; of a {source.name} only you know it: add a column licence where you can"
    return CheckOutcome(missing == 0 or source.photos_are_user_files, found, {"without licence": missing})


def _pairs(workspace: Workspace, columns: list[str]) -> Iterator[pa.Table]:
    return _pieces(workspace, "image_text_pairs", "pairs.parquet", columns)


def _attempts(workspace: Workspace, shard: str) -> Iterator[pa.Table]:
    """Sizes and share of text of the photos that a shard stores."""
    import pyarrow.compute as pc

    columns = ["status", "original_width", "original_height", "text_share"]
    for table in _pieces(workspace, "image_shards", f"{shard}.parquet", columns, shard):
        yield table.filter(pc.equal(table["status"], "success"))


def _pieces(workspace: Workspace, asset: str, name: str, columns: list[str], partition: str = "") -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(workspace.get(asset, partition).file(name)) as file:
        for batch in file.iter_batches(ROWS_AT_A_TIME, columns=columns):
            yield pa.Table.from_batches([batch])


DATA_CHECKS = (
    Check("words_have_photos", "image_links", "Most words have a photo.", False, words_have_photos),
    Check("photos_have_licences", "photo_catalog", "The licence of every photo is known.", False, photos_have_licences),
    Check("photos_have_usual_sizes", "image_shards", "Few photos are tiny or very narrow.", False, photos_have_usual_sizes),
    Check("images_show_little_text", "image_shards", "Few images are pages, slides or memes.", False, images_show_little_text),
    Check("captions_are_rarely_repeated", "image_text_pairs", "Few pairs have a caption that stands with many photos.", False, captions_are_rarely_repeated),
    Check("captions_have_a_usual_length", "image_text_pairs", "Few captions are very short or long.", False, captions_have_a_usual_length),
    Check("captions_are_in_one_language", "image_text_pairs", "Few captions are in another language than most.", False, captions_are_in_one_language),
)  # fmt: skip
