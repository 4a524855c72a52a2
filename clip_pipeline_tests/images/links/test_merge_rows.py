"""Rows of one photo come together, rows of several stay apart."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.images.catalog import write_catalog
from clip_pipeline.images.links.listed import Listing, links_without_word, write_listed_links
from clip_pipeline.images.links.merge_rows import merged_rows, with_distinct_ids
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.photos.url_list import list_url_photos


@pytest.fixture
def lists(tmp_path):
    """Two lists that both count their photos from 0."""
    (tmp_path / "lists").mkdir()
    for part in range(2):
        lines = [f"{n},http://a/{part}/{n}.jpg,Cup {n} of {part}\n" for n in range(3)]
        (tmp_path / "lists" / f"{part}.csv").write_text("id,url,caption\n" + "".join(lines))
    return tmp_path / "lists"


def test_lists_that_both_count_from_0_do_not_mix_up_their_captions(lists, tmp_path):
    listing = Listing(list_url_photos(lists, LeftOut()))
    counts = write_listed_links(listing, {"000": ["cup"]}, tmp_path / "links")
    write_catalog(map(links_without_word, list_url_photos(lists, LeftOut())), 100, tmp_path / "catalog")
    for file in (tmp_path / "links" / "000.parquet", tmp_path / "catalog" / "photos.parquet"):
        rows = pq.read_table(file).to_pylist()
        assert len({row["id"] for row in rows}) == 6
        assert {row["url"]: row["captions"] for row in rows} == {
            f"http://a/{part}/{n}.jpg": [f"Cup {n} of {part}"] for part in range(2) for n in range(3)
        }
    assert (counts["photos listed"], counts["rows of the same photo"]) == (6, 0)


def photos(source: str, *rows: tuple[str, str, str]) -> pa.Table:
    table = [
        {"id": name, "url": url, "captions": [caption], "words": [], "source": source} for name, url, caption in rows
    ]
    return pa.Table.from_pylist(table, pa.schema(PHOTO_FIELDS))


ROWS = ("7", "u1", "One"), ("7", "u2", "Two"), ("7", "u1", "Three"), ("8", "u2", "Four")


def test_the_first_url_keeps_the_id_and_its_rows_come_together():
    told = with_distinct_ids(photos("url_list", *ROWS))
    one, other, next_one = merged_rows(told, told["id"].to_pylist()).to_pylist()
    assert (one["id"], one["captions"]) == ("7", ["One", "Three"])
    assert other["id"].startswith("7-") and other["captions"] == ["Two"]
    assert (next_one["id"], next_one["captions"]) == ("8", ["Four"])


def test_a_photo_of_a_search_whose_address_has_changed_stays_one():
    table = photos("unsplash", *ROWS)
    assert with_distinct_ids(table) is table
