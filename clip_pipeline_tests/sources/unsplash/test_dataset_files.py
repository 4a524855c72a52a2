"""The files of the Unsplash Dataset, as they come and as they may be broken."""

from __future__ import annotations

import csv
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.unsplash.dataset_files import split_rows
from clip_pipeline_tests.made.unsplash_dataset import KEYWORDS, LINES, PHOTOS, keywords_of, photo_line, photos_of


@pytest.mark.parametrize(
    "names", [("photos.tsv000", "photos.tsv001"), ("photos.csv000", "photos.csv001.gz"), ("photos.tsv", "photos.tsv1")]
)
@pytest.mark.parametrize("headed", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_parts_of_any_name_with_a_header_each_or_on_the_first_only(tmp_path, names, headed, end):
    for number, name in enumerate(names):
        text = (PHOTOS if headed or number == 0 else "") + photo_line(f"p{number}")
        content = text.replace("\n", end).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert [row["id"] for row in photos_of(tmp_path)[0]] == ["p0", "p1"]


def test_parts_come_in_the_order_of_their_numbers_and_may_lie_one_folder_deeper(tmp_path):
    inner = tmp_path / "unsplash-research-dataset-lite-latest"
    inner.mkdir()
    for number in (10, 9, 0):
        (inner / f"photos.tsv{number}").write_text(PHOTOS + photo_line(f"p{number}"))
    assert [row["id"] for row in photos_of(tmp_path)[0]] == ["p0", "p9", "p10"]


def test_commas_between_the_columns_and_another_order_of_them(tmp_path):
    rows = [["photo_image_url", "photo_id", "ai_description"], ["https://images.unsplash.com/x", "x", 'a "red", cup']]
    with (tmp_path / "photos.csv000").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (row,) = photos_of(tmp_path)[0]
    assert (row["id"], row["captions"], row["width"], row["attribution"]) == ("x", ['a "red", cup'], None, None)


def test_quotes_hold_tabs_and_lines_and_an_unclosed_one_is_a_letter(tmp_path):
    lines = [
        photo_line("a", description='"one\ttwo\nthree ""four"""'),
        photo_line("b", description='"never closed'),
        photo_line("c", description='an "inner" quote'),
        photo_line("d", description='"whole"'),
    ]
    (tmp_path / "photos.tsv000").write_text(PHOTOS + "".join(lines))
    rows, counts = photos_of(tmp_path)
    assert [(row["id"], row["captions"][0]) for row in rows] == [
        ("a", 'one\ttwo\nthree "four"'),
        ("b", '"never closed'),
        ("c", 'an "inner" quote'),
        ("d", "whole"),
    ]
    assert not counts


def test_a_folder_that_does_not_fit_says_what_was_found_and_what_was_expected(tmp_path):
    with pytest.raises(PhotosError, match="is no folder"):
        photos_of(tmp_path / "none")
    with pytest.raises(PhotosError, match=r"holds no photos .*photos.tsv000 or the like was expected, found nothing"):
        photos_of(tmp_path)
    (tmp_path / "photos.tsv000").write_text(PHOTOS)
    with pytest.raises(PhotosError, match=r"holds no keywords .*found photos.tsv000"):
        keywords_of(tmp_path)
    assert photos_of(tmp_path)[0] == []
    (tmp_path / "photos.tsv000").write_text("id\turl\n1\thttps://images.unsplash.com/1\n")
    with pytest.raises(
        PhotosError, match="begins with the columns id, url; photo_id and photo_image_url were expected"
    ):
        photos_of(tmp_path)
    (tmp_path / "photos.tsv000").write_bytes(b"")
    with pytest.raises(PhotosError, match="of an empty line"):
        photos_of(tmp_path)
    (tmp_path / "photos.tsv000").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(PhotosError, match="were expected"):
        photos_of(tmp_path)
    (tmp_path / "photos.tsv000").unlink()
    (tmp_path / "photos.tsv000.gz").write_bytes(gzip.compress((PHOTOS + photo_line("a") * 9999).encode())[:-99])
    with pytest.raises(PhotosError, match="photos.tsv000.gz is cut"):
        photos_of(tmp_path)
    (tmp_path / "keywords.tsv000.gz").write_bytes(gzip.compress((KEYWORDS + LINES * 9999).encode())[:-99])
    with pytest.raises(PhotosError, match="keywords.tsv000.gz is cut"):
        keywords_of(tmp_path)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.text(max_size=8).filter(lambda text: "\r" not in text), min_size=3, max_size=3), max_size=8)
)
def test_rows_that_a_csv_writer_quotes_come_back(rows):
    out = []

    class Lines:
        def write(self, text):
            out.append(text)

    csv.writer(Lines(), delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    lines = "".join(out).split("\n")[:-1]
    assert list(split_rows(lines, "\t", 3)) == rows
