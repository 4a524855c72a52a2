"""The files of the Unsplash Dataset, as they come and as they may be broken."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import PhotosError
from clip_pipeline.records import PHOTO_FIELDS, RATING_FIELDS
from clip_pipeline.sources.unsplash import dataset_files
from clip_pipeline.sources.unsplash.dataset_files import TERMS, _split_rows, dataset_keywords, dataset_photos

PHOTOS = (
    "photo_id\tphoto_url\tphoto_image_url\tphoto_submitted_at\tphoto_width\tphoto_height\tphoto_description\t"
    "photographer_username\tphotographer_first_name\tphotographer_last_name\tai_description\tblur_hash\n"
)
KEYWORDS = "photo_id\tkeyword\tai_service_1_confidence\tai_service_2_confidence\tsuggested_by_user\n"


def photo_line(photo_id: str, url: str = "", description: str = "", ai: str = "a cup", width: str = "4000") -> str:
    url = url or f"https://images.unsplash.com/photo-{photo_id}"
    return (
        f"{photo_id}\thttps://unsplash.com/photos/{photo_id}\t{url}\t2019-01-01 00:00:00\t{width}\t3000\t{description}\t"
        f"ann\tAnn\tLee\t{ai}\tLEHV6nWB2yk8pyo0adR*.7kCMdnj\n"
    )


def photos_of(folder: Path) -> tuple[list[dict], Counter[str]]:
    counts: Counter[str] = Counter()
    table = pa.concat_tables(dataset_photos(folder, counts))
    assert table.schema == pa.schema(PHOTO_FIELDS)
    return table.to_pylist(), counts


def keywords_of(folder: Path, least: float = 30) -> tuple[list[tuple], Counter[str]]:
    counts: Counter[str] = Counter()
    rows = pa.concat_tables(dataset_keywords(folder, least, counts)).to_pylist()
    return [tuple(row.values()) for row in rows], +counts


def test_a_photo_has_what_the_dataset_tells_of_it(tmp_path):
    (tmp_path / "photos.tsv000").write_text(PHOTOS + photo_line("Ab-1", description="My cup"))
    rows, counts = photos_of(tmp_path)
    assert rows == [
        {
            **{
                "id": "Ab-1",
                "url": "https://images.unsplash.com/photo-Ab-1",
                "captions": ["My cup", "a cup"],
                "words": [],
            },
            **{"width": 4000, "height": 3000, "licence": "Unsplash Dataset Terms", "terms": TERMS},
            **{"attribution": "Photo by Ann Lee (@ann) on Unsplash", "source": "unsplash_dataset"},
            **{"split": None, "download_location": None, "origin": None},
            **dict.fromkeys((field.name for field in RATING_FIELDS), None),
        }
    ]
    assert not counts
    assert "non-commercial" in TERMS


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


def test_broken_rows_are_counted_and_the_others_kept(tmp_path):
    lines = [
        photo_line("a"),
        "b\tshort\n",
        "\n",
        photo_line("c", description="one\ttoo many"),
        photo_line(""),
        photo_line("d", width="wide"),
        photo_line("e", description="caf\udce9 \0!"),
    ]
    (tmp_path / "photos.tsv000").write_bytes((PHOTOS + "".join(lines)).encode("utf-8", "surrogateescape"))
    rows, counts = photos_of(tmp_path)
    assert [(row["id"], row["width"]) for row in rows] == [("a", 4000), ("d", None), ("e", 4000)]
    assert rows[2]["captions"][0] == "caf\ufffd  !"
    assert counts == {
        **{"rows with too few or too many columns": 2, "photos without id or url": 1, "lines with broken UTF-8": 1}
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://images.unsplash.company/photo-1",
        "https://images.unsplash.com.jpg/photo-1",
        "https://images.unsplash.com",
        "https://images.unsplash.com@evil.test/photo-1",
        "https://plus.unsplash.com/photo-1",
        "ftp://images.unsplash.com/photo-1",
        "file:///etc/passwd",
    ],
)
def test_urls_of_other_hosts_are_left_out(tmp_path, url):
    (tmp_path / "photos.tsv000").write_text(PHOTOS + photo_line("a", url) + photo_line("b"))
    rows, counts = photos_of(tmp_path)
    assert [row["id"] for row in rows] == ["b"]
    assert counts == {"photos of another host": 1}


LINES = "a\tcup\t90.5\t\tf\na\tred cup\t10\t29.9\tf\nb\tcup\t\t\tt\nb\ttable\t\t45\tf\nb\tsky\t\t\tf\n"


def test_a_keyword_counts_when_a_service_is_sure_or_a_person_suggested_it(tmp_path):
    (tmp_path / "keywords.tsv000").write_text(KEYWORDS + LINES)
    rows, counts = keywords_of(tmp_path)
    assert rows == [("a", "cup", 90.5), ("b", "cup", 100.0), ("b", "table", 45.0)]
    assert counts == {"keywords read": 5, "keywords below the confidence": 2}
    assert len(keywords_of(tmp_path, 0)[0]) == 5
    assert keywords_of(tmp_path, 100)[0] == [("b", "cup", 100.0)]


@pytest.mark.parametrize(
    "broken",
    [
        b"c\tdog\tmany\t60\tf\n",
        b"c\tdog\xff\t\t60\tf\n",
        b'c\t"dog\t\t60\tf\n',
    ],
)
def test_a_part_that_is_not_clean_is_read_line_by_line(tmp_path, broken, monkeypatch):
    monkeypatch.setattr(dataset_files, "BLOCK_BYTES", 120)
    (tmp_path / "keywords.tsv000").write_bytes(KEYWORDS.encode() + LINES.encode() * 20 + broken + LINES.encode())
    rows, counts = keywords_of(tmp_path)
    assert {row[:2] for row in rows} >= {("a", "cup"), ("b", "cup"), ("b", "table")}
    assert {row[0] for row in rows} >= {"c"}
    assert counts["keywords read"] == 105 + broken.count(b"\n")


def test_short_rows_of_keywords_and_missing_columns_are_no_reason_to_stop(tmp_path):
    (tmp_path / "keywords.csv000").write_text("keyword,photo_id,suggested_by_user\ncup,a,t\nshort\n,b,t\nsky,c,f\n")
    (tmp_path / "keywords.csv001").write_text("dog,d,true\n")
    rows, counts = keywords_of(tmp_path)
    assert rows == [("a", "cup", 100.0), ("d", "dog", 100.0)]
    assert counts == {
        **{"keywords read": 4, "rows with too few or too many columns": 1, "keywords below the confidence": 1},
        "keywords without photo or text": 1,
    }


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
    with pytest.raises(PhotosError, match="photos.tsv000.gz cannot be unpacked"):
        photos_of(tmp_path)
    (tmp_path / "keywords.tsv000.gz").write_bytes(gzip.compress((KEYWORDS + LINES * 9999).encode())[:-99])
    with pytest.raises(PhotosError, match="keywords.tsv000.gz cannot be unpacked"):
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
    assert list(_split_rows(lines, "\t", 3)) == rows


def test_the_real_terms_say_what_the_column_says(shared_data):
    folder = shared_data("unsplash_api/unsplash_datasets_docs")
    terms, docs = (" ".join((folder / name).read_text().split()) for name in ("TERMS.md", "DOCS.md"))
    assert "for non-commercial usage only" in terms
    assert "internally use the Commercial Licensed Data to train machine learning models" in terms
    for column in (*PHOTOS.split(), *KEYWORDS.split()):
        assert f"| {column} " in docs
