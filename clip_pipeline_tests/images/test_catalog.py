"""Links to photos, and the shards they fall into."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from clip_pipeline.images.catalog import build_catalog
from clip_pipeline.records import IMAGE_LINKS, PHOTO_CATALOG
from clip_pipeline_tests.images.photos import links, photo, shuffled


def test_a_photo_found_by_two_words_is_one_row_with_both_and_all_its_captions():
    first = photo("p1", captions=["a cup", "red cup"])
    second = photo("p1", captions=["red cup", "cup of tea", "cup of tea"], split=None)
    catalog = build_catalog([links("red", second), links("cup", photo("p0"), first)], 1000)
    assert catalog.schema == PHOTO_CATALOG
    assert catalog.select(["id", "words", "captions", "shard", "key"]).to_pylist() == [
        {"id": "p0", "words": ["cup"], "captions": ["a p0"], "shard": "00000", "key": "000000000"},
        {
            "id": "p1",
            "words": ["cup", "red"],
            "captions": ["a cup", "red cup", "cup of tea"],
            "shard": "00000",
            "key": "000000001",
        },
    ]


def test_what_a_source_says_of_a_photo_is_kept():
    told = photo("p", width=640, height=480, licence="CC0", attribution="Photo by A", terms="none", split="test")
    row = build_catalog([links("cup", told)], 10).to_pylist()[0]
    assert {name: row[name] for name in told} == told


def test_a_photo_that_no_word_describes_has_no_words():
    assert build_catalog([links("", photo("p"))], 10)["words"].to_pylist() == [[]]


def test_no_links_make_an_empty_catalog():
    assert len(build_catalog([IMAGE_LINKS.empty_table()], 10)) == 0


def many_links(count: int) -> list[pa.Table]:
    """Two words; every third photo is found by both."""
    photos = [photo(f"id-{number}") for number in range(count)]
    return [links("cup", *photos), links("red", *photos[::3])]


def test_the_catalog_does_not_depend_on_the_order_of_tables_or_rows():
    tables = many_links(200)
    expected = build_catalog(tables, 30)
    assert build_catalog(reversed(tables), 30) == expected
    assert build_catalog([shuffled(table, 4) for table in tables], 30) == expected
    assert build_catalog([shuffled(pa.concat_tables(tables), 5)], 30) == expected


def test_the_same_table_twice_changes_nothing():
    tables = many_links(20)
    assert build_catalog(tables * 2, 30) == build_catalog(tables, 30)


@pytest.mark.parametrize(
    ("photos", "size", "shards"), [(1, 10, 1), (10, 10, 1), (11, 10, 2), (21, 10, 4), (700, 10, 128)]
)
def test_the_number_of_shards_is_the_power_of_two_that_keeps_the_average_at_the_size(photos, size, shards):
    names = set(build_catalog(many_links(photos), size)["shard"].to_pylist())
    assert max(map(int, names)) < shards
    assert len(names) > shards / 2


def test_keys_are_unique_and_rows_sorted_by_shard_and_key_and_the_key_begins_with_the_shard():
    catalog = build_catalog(many_links(700), 30)
    places = list(zip(catalog["shard"].to_pylist(), catalog["key"].to_pylist(), strict=True))
    assert places == sorted(set(places))
    assert len({key for _, key in places}) == 700
    assert all(key.startswith(shard) and len(key) == 9 for shard, key in places)


def test_keys_sort_as_text_in_a_shard_of_more_than_ten_thousand():
    photos = [photo(f"{number:05d}") for number in range(10_002)]
    catalog = build_catalog([links("cup", *photos)], 20_000)
    assert catalog["id"].to_pylist() == [row["id"] for row in photos]
    assert catalog["key"].to_pylist() == sorted(set(catalog["key"].to_pylist()))


def test_shards_are_about_equally_full():
    sizes = Counter(build_catalog(many_links(3000), 100)["shard"].to_pylist())
    assert len(sizes) == 32
    assert 60 <= min(sizes.values()) <= max(sizes.values()) <= 135  # 94 on average, standard deviation 9.5


def test_a_new_photo_touches_one_shard():
    tables = many_links(200)
    before = build_catalog(tables, 30)
    after = build_catalog([*tables, links("zebra", photo("a new one"))], 30)
    assert len(after) == len(before) + 1
    assert sum(rows_of(before, shard) != rows_of(after, shard) for shard in set(after["shard"].to_pylist())) == 1


def rows_of(catalog: pa.Table, shard: str) -> list[dict]:
    return [row for row in catalog.to_pylist() if row["shard"] == shard]
