"""Words to photos without a search: captions of the user's own photos that hold the word."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from clip_pipeline.records import IMAGE_LINKS, PHOTO_FIELDS
from clip_pipeline.words.tokens import split_words

if TYPE_CHECKING:
    import pyarrow as pa


def bucket_of(word: str, buckets: int) -> int:
    """The bucket of a word, 0 to buckets - 1: always the same, so a new word touches one bucket only."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % buckets


def match_words(photos: pa.Table, words: Iterable[str]) -> pa.Table:
    """IMAGE_LINKS rows for photos that need no search: a photo belongs to every word that its captions hold.

    photos: PHOTO_FIELDS. Captions are cut into words by the rule that the vocabulary was counted with. Sorted by word, then
    by the order of the photos.
    """
    wanted = set(words)
    rows: list[dict[str, Any]] = []
    ranks = dict.fromkeys(wanted, 0)
    for photo in photos.to_pylist():
        held = {word for caption in photo["captions"] for word in split_words(caption)} & wanted
        for word in sorted(held):
            rows.append({"word": word, "rank": ranks[word], **photo})
            ranks[word] += 1
    rows.sort(key=lambda row: (row["word"], row["rank"]))
    return links_table(rows)


def links_without_word(photos: pa.Table, linked: Collection[str]) -> pa.Table:
    """IMAGE_LINKS rows, with the word "", for the photos whose id is not among `linked`."""
    rest = [photo for photo in photos.to_pylist() if photo["id"] not in linked]
    return links_table([{"word": "", "rank": rank, **photo} for rank, photo in enumerate(rest)])


def links_table(rows: list[dict[str, Any]]) -> pa.Table:
    """IMAGE_LINKS of rows that hold word, rank and PHOTO_FIELDS; a field that is not there is null."""
    import pyarrow as pa

    names = [field.name for field in PHOTO_FIELDS]
    return pa.Table.from_pylist(
        [{"word": row["word"], "rank": row["rank"], **{name: row.get(name) for name in names}} for row in rows],
        schema=IMAGE_LINKS,
    )
