"""Links to photos, and the shards they fall into."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.images.catalog import plain_url, write_catalog
from clip_pipeline.records import IMAGE_LINKS, PHOTO_CATALOG
from clip_pipeline_tests.images.photos import build_catalog, links, photo, shuffled


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


@pytest.mark.slow
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


def reference_catalog(link_tables: list[pa.Table], photos_per_shard: int) -> list[dict[str, Any]]:
    """The rules written with a dictionary of everything; urls are all different here."""
    rows = [row for table in link_tables for row in table.to_pylist()]
    photos: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["word"], row["rank"], row["id"])):
        word, _ = row.pop("word"), row.pop("rank")
        photo = photos.setdefault(row["id"], {**row, "captions": [], "words": []})
        photo["captions"] = list(dict.fromkeys(photo["captions"] + row["captions"]))
        photo["words"] = sorted({*photo["words"], word} - {""})
    shards = 1
    while shards * photos_per_shard < len(photos):
        shards *= 2
    members: dict[int, list[dict[str, Any]]] = {}
    for name in sorted(photos):
        shard = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % shards
        members.setdefault(shard, []).append(photos[name])
    return [
        photo | {"shard": f"{shard:05d}", "key": f"{shard:05d}{place:04d}"}
        for shard in sorted(members)
        for place, photo in enumerate(members[shard])
    ]


def random_links(seed: int, count: int) -> list[pa.Table]:
    rng = np.random.default_rng(seed)
    words = ["", "ball", "cup", "straße", "zebra"]
    tables = []
    for word in rng.permutation(words).tolist():
        numbers = rng.integers(0, count, count // 2).tolist()
        photos = [
            photo(f"id-{n}é", captions=[f"caption {rng.integers(5)}", f"photo {n}"]) for n in dict.fromkeys(numbers)
        ]
        tables.append(links(word, *photos))
    return tables


@pytest.mark.slow
@pytest.mark.parametrize("max_rows", [16_384, 37])
def test_the_catalog_is_that_of_a_dictionary_whether_it_fits_into_memory_or_not(tmp_path, max_rows):
    for seed, count in enumerate((1, 30, 700)):
        tables = random_links(seed, count)
        expected = reference_catalog(tables, 30)
        folder = tmp_path / str(count)
        counts = write_catalog(tables, 30, folder, max_rows=max_rows)
        assert pq.read_table(folder / "photos.parquet").to_pylist() == expected
        shards = sorted((folder / "shards").iterdir())
        assert [row for shard in shards for row in pq.read_table(shard).to_pylist()] == expected
        assert [path.stem for path in shards] == sorted({row["shard"] for row in expected})
        assert (counts["photos"], counts["shards"]) == (len(expected), len(shards))
        assert sorted(path.name for path in folder.iterdir()) == ["photos.parquet", "shards"]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_the_files_are_the_same_bytes_whatever_the_order_and_the_number_of_pieces(tmp_path):
    tables = random_links(7, 400)
    write_catalog(tables, 30, tmp_path / "a")
    whole = shuffled(pa.concat_tables(tables), 3)
    write_catalog([whole.slice(start, 17) for start in range(0, len(whole), 17)], 30, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_one_url_under_two_ids_is_one_photo_with_all_that_is_said_of_both(tmp_path):
    url = "https://images.unsplash.com/photo-1"
    catalog = [
        links("cup", photo("p2", url=f"{url}?ixid=b&w=9", captions=["a cup"]), photo("p3")),
        links("red", photo("p1", url=f"{url}?ixid=a", captions=["red", "a cup"], licence="CC0")),
    ]
    rows = build_catalog(catalog, 10).to_pylist()
    assert [(row["id"], row["words"], row["captions"], row["licence"]) for row in rows] == [
        ("p1", ["cup", "red"], ["red", "a cup"], "CC0"),
        ("p3", ["cup"], ["a p3"], None),
    ]
    assert write_catalog(catalog, 10, tmp_path / "c")["same url"] == 1


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("http://a.test/x.jpg", "https://A.test:443/x.jpg#top", True),
        ("https://a.test/x.jpg?id=1", "https://a.test/x.jpg?id=2", False),
        ("https://a.test/x.jpg?id=1&ixid=f", "https://a.test/x.jpg?ixid=g&id=1", True),
        ("https://images.unsplash.com/p?w=1", "https://images.unsplash.com/p?w=2", True),
        ("https://images.unsplash.com/p", "https://images.unsplash.com/P", False),
        ("file:a#1.jpg", "file:a#2.jpg", False),
        ("tar:0.tar#a", "tar:0.tar#b", False),
    ],
)
def test_what_makes_two_urls_one_photo(left, right, same):
    assert (plain_url(left) == plain_url(right)) is same


def test_a_photo_that_was_taken_down_is_left_out_under_all_its_names(tmp_path):
    tables = [links("cup", photo("p1", url="http://a/1"), photo("p2", url="https://a/1"), photo("p3"), photo("p4"))]
    for gone, left in ((["p2"], ["p3", "p4"]), (["p1", "p4", "unknown"], ["p3"]), ([], ["p1", "p3", "p4"])):
        assert build_catalog(tables, 10, taken_down=gone)["id"].to_pylist() == left
    assert write_catalog(tables, 10, tmp_path / "c", {"p2", "p3"})["taken down"] == 2
