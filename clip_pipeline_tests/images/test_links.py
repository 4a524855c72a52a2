"""Words to photos of one's own, and words to buckets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from clip_pipeline.images.links import bucket_of, links_without_word, match_words
from clip_pipeline.records import IMAGE_LINKS, PHOTO_FIELDS
from clip_pipeline_tests.images.photos import photo


def ranked(table: pa.Table) -> list[tuple[str, int, str]]:
    return [(row["word"], row["rank"], row["id"]) for row in table.to_pylist()]


def test_the_bucket_of_a_word_never_changes():
    # The first eight bytes of `printf cup | sha256sum`, as a number.
    assert bucket_of("cup", 2**64) == 0xC6171781D65F3CCC
    assert [bucket_of(word, 8) for word in ("cup", "ball", "straße", "")] == [4, 1, 4, 4]


def test_words_spread_over_the_buckets():
    counts = Counter(bucket_of(f"word{number}", 8) for number in range(8000))
    assert set(counts) == set(range(8))
    assert all(880 < count < 1120 for count in counts.values())  # 1,000 on average, standard deviation 30


def photos_table(*photos: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(photos), schema=pa.schema(PHOTO_FIELDS))


OWN = [
    photo("p1", captions=["A red cup.", "The CUP, again"], split="train"),
    photo("p2", captions=["hiccups", "Don't drop the x-ray"]),
    photo("p3", captions=[]),
    photo("p4", captions=["cups and a cup"]),
]


def test_an_own_photo_belongs_to_every_word_that_its_captions_hold():
    table = match_words(photos_table(*OWN), ["red", "cup", "x-ray", "don't", "absent"])
    assert table.schema == IMAGE_LINKS
    assert ranked(table) == [
        ("cup", 0, "p1"),
        ("cup", 1, "p4"),
        ("don't", 0, "p2"),
        ("red", 0, "p1"),
        ("x-ray", 0, "p2"),
    ]
    assert table["split"].to_pylist()[0] == "train"


def test_own_photos_that_no_word_describes_are_linked_to_the_empty_word():
    table = links_without_word(photos_table(*OWN), {"p1", "p4"})
    assert ranked(table) == [("", 0, "p2"), ("", 1, "p3")]
    assert table.schema == IMAGE_LINKS
