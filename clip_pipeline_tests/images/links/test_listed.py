"""Words to photos of one's own, and words to buckets."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.images.links.buckets import bucket_of
from clip_pipeline.images.links.listed import WITHOUT_WORD, Listing, links_without_word, write_listed_links
from clip_pipeline.records import IMAGE_LINKS, PHOTO_FIELDS
from clip_pipeline_tests.images.photos import photo


def ranked(table: pa.Table) -> list[tuple[str, int, str]]:
    return [(row["word"], row["rank"], row["id"]) for row in table.to_pylist()]


def photos_table(*photos: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{"words": []} | one for one in photos], schema=pa.schema(PHOTO_FIELDS))


OWN = [
    photo("p1", captions=["A red cup.", "The CUP, again"], split="train"),
    photo("p2", captions=["hiccups", "Don't drop the x-ray"]),
    photo("p3", captions=[]),
    photo("p4", captions=["cups and a cup"]),
]


def written(tmp_path, listing, words, most=0, buckets=2, max_rows=None):
    """{bucket: links}, links without a word, counts."""
    folder = tmp_path / "links"
    shutil.rmtree(folder, ignore_errors=True)
    words_of = {f"{bucket:03d}": [w for w in words if bucket_of(w, buckets) == bucket] for bucket in range(buckets)}
    counts = write_listed_links(listing, words_of, folder, most, max_rows)
    without = folder / WITHOUT_WORD
    tables = {bucket: pq.read_table(folder / f"{bucket}.parquet") for bucket in words_of}
    assert {path.name for path in folder.iterdir()} <= {WITHOUT_WORD, *(f"{bucket}.parquet" for bucket in words_of)}
    return tables, pq.read_table(without) if without.exists() else None, counts


def all_ranked(tables):
    return sorted(row for table in tables.values() for row in ranked(table))


def test_an_own_photo_belongs_to_every_word_that_its_captions_hold(tmp_path):
    words = ["red", "cup", "x-ray", "don't", "absent"]
    tables, without, counts = written(tmp_path, Listing([photos_table(*OWN)]), words)
    assert all_ranked(tables) == [
        ("cup", 0, "p1"),
        ("cup", 1, "p4"),
        ("don't", 0, "p2"),
        ("red", 0, "p1"),
        ("x-ray", 0, "p2"),
    ]
    for bucket, table in tables.items():
        assert table.schema == IMAGE_LINKS
        assert {bucket_of(word, 2) for word in table["word"].to_pylist()} <= {int(bucket)}
        keys = list(zip(table["word"].to_pylist(), table["rank"].to_pylist(), strict=True))
        assert keys == sorted(keys)
    assert ranked(without) == [("", 0, "p3")]
    assert without.schema == IMAGE_LINKS
    assert counts == {
        **{"photos listed": 4, "rows of the same photo": 0, "photos without word": 1},
        **{"keywords without photo": 0, "links": 5},
    }


def test_the_keywords_of_the_source_belong_to_a_photo_as_its_captions_do(tmp_path):
    own = photos_table(photo("p1", captions=[], words=["New York", "Big Apples"]), photo("p2", words=["york"]))
    tables, _, _ = written(tmp_path, Listing([own]), ["new york", "york", "apples", "apple", "new"])
    assert all_ranked(tables) == [
        ("apples", 0, "p1"),
        ("new", 0, "p1"),
        ("new york", 0, "p1"),
        ("york", 0, "p1"),
        ("york", 1, "p2"),
    ]


def test_rows_of_one_photo_are_one_with_all_their_captions(tmp_path):
    first, again = photo("p1", captions=["a red cup"], width=7), photo("p1", captions=["my cup", "a red cup"], width=9)
    tables, _, counts = written(tmp_path, Listing([photos_table(first), photos_table(photo("p0"), again)]), ["cup"])
    (row,) = [row for table in tables.values() for row in table.to_pylist()]
    assert (row["id"], row["captions"], row["width"]) == ("p1", ["a red cup", "my cup"], 7)
    assert (counts["photos listed"], counts["rows of the same photo"]) == (2, 1)


def keywords_table(*rows):
    ids, keywords, confidences = zip(*rows, strict=True)
    return pa.table({"id": ids, "keyword": keywords, "confidence": pa.array(confidences, pa.float32())})


def test_keywords_with_a_confidence_decide_alone_and_the_surest_come_first(tmp_path):
    listing = Listing(
        [photos_table(*[photo(f"p{n}", captions=["a cup"]) for n in range(4)])],
        [
            keywords_table(("p2", "cup", 40.0), ("p1", "red cup", 90.0), ("p1", "cup", 10.0)),
            keywords_table(("p0", "cup", 90.0), ("p3", "dog", 50.0), ("gone", "cup", 99.0)),
        ],
    )
    tables, without, counts = written(tmp_path, listing, ["cup", "red"], most=2)
    assert all_ranked(tables) == [("cup", 0, "p0"), ("cup", 1, "p1"), ("red", 0, "p1")]
    words = {row["id"]: row["words"] for table in tables.values() for row in table.to_pylist()}
    assert words == {"p0": ["cup"], "p1": ["red cup", "cup"]}
    assert without is None
    assert (counts["keywords without photo"], counts["photos without word"]) == (1, 1)


@pytest.mark.slow
def test_a_long_listing_through_files_gives_what_a_short_one_in_memory_gives(tmp_path):
    rng = np.random.default_rng(0)
    words = [f"word{n}" for n in range(40)]
    photos = [photo(f"p{rng.integers(300)}", captions=[" ".join(rng.choice(words, 3))]) for _ in range(500)]
    pieces = [photos_table(*photos[start : start + 70]) for start in range(0, 500, 70)]
    keywords = [
        keywords_table(*[(f"p{rng.integers(300)}", rng.choice(words), float(rng.integers(100))) for _ in range(900)])
    ]
    for given in (None, keywords):
        whole, without, counts = written(tmp_path, Listing(pieces, given), words[:35], 9)
        again, without_again, counts_again = written(tmp_path, Listing(pieces, given), words[:35], 9, max_rows=23)
        assert again == whole
        assert counts_again == counts
        if without is not None:
            assert sorted(without["id"].to_pylist()) == sorted(without_again["id"].to_pylist())


def test_photos_that_no_word_describes_are_linked_to_the_empty_word():
    table = links_without_word(photos_table(photo("p2"), photo("p3")))
    assert ranked(table) == [("", 0, "p2"), ("", 1, "p3")]
    assert table.schema == IMAGE_LINKS
