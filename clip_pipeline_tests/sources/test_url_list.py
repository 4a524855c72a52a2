from __future__ import annotations

import hashlib
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.records import IMAGE_LINKS, PHOTO_CATALOG, PHOTO_FIELDS
from clip_pipeline.sources.url_list import read_url_list

A, B = "https://a.test/1.jpg?w=1,2;3|4", "http://b.test/2.jpg"


def short_hash(url):
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def test_plain_lines_are_urls(tmp_path):
    file = tmp_path / "urls.txt"
    file.write_text(f"# by hand, today\n{A}\n\n# a remark\n{B}\r\n{A}\n")
    table = read_url_list(file)
    assert table.schema == pa.schema(PHOTO_FIELDS)
    assert table["url"].to_pylist() == [A, B]
    assert table["id"].to_pylist() == [short_hash(A), short_hash(B)]
    assert table["captions"].to_pylist() == [[], []]
    assert set(table["source"].to_pylist()) == {"url_list"}


EVERY_FORM = {
    "list.csv": f'url,caption\n"{A}","A dog, running"\n{B},A cat\n',
    "list.tsv": f"URL\tTEXT\n{A}\tA dog, running\n{B}\tA cat\n",
    "conceptual.tsv": f"A dog, running\t{A}\nA cat\t{B}\n",
    "list.txt": f"{A}\tA dog, running\n{B}\tA cat\n",
    "headed.txt": f"url\tcaption\n{A}\tA dog, running\n{B}\tA cat\n",
    "list.jsonl": f'{{"url": "{A}", "captions": ["A dog, running"]}}\n{{"url": "{B}", "captions": ["A cat"]}}\n',
    "list.json": f'[{{"url": "{A}", "caption": "A dog, running"}}, {{"url": "{B}", "caption": "A cat"}}]',
}


@pytest.mark.parametrize("name", EVERY_FORM)
def test_every_form_of_list_is_read(tmp_path, name):
    (tmp_path / name).write_text(EVERY_FORM[name])
    table = read_url_list(tmp_path / name)
    assert table["url"].to_pylist() == [A, B]
    assert table["captions"].to_pylist() == [["A dog, running"], ["A cat"]]


def test_laions_parquet_keeps_its_sizes_and_licence(tmp_path):
    columns = {
        "SAMPLE_ID": [7, 8],
        "URL": [A, B],
        "TEXT": ["A dog", None],
        "WIDTH": [640.0, float("nan")],
        "HEIGHT": [480, 0],
        "LICENSE": ["?", None],
        "similarity": [0.3, 0.4],
    }
    pq.write_table(pa.table(columns), tmp_path / "laion.parquet")
    rows = read_url_list(tmp_path / "laion.parquet").to_pylist()
    assert [(r["id"], r["captions"], r["width"], r["height"], r["licence"]) for r in rows] == [
        ("7", ["A dog"], 640, 480, "?"),
        ("8", [], None, None, None),
    ]


@pytest.mark.parametrize("schema", [IMAGE_LINKS, PHOTO_CATALOG])
def test_our_own_tables_are_valid_lists(tmp_path, schema):
    row = {"word": "dog", "rank": 0, "id": "x1", "url": B, "captions": ["A dog", "Two"], "width": 9, "height": 8}
    row |= {"licence": "CC0", "attribution": "Ann", "source": "unsplash", "terms": "t", "split": "test"}
    row |= {"words": ["dog"], "shard": "00000", "key": "000000000"}
    again = row | {"word": "cat", "captions": ["Two", "Three"]}
    pq.write_table(pa.Table.from_pylist([row, again], schema), tmp_path / "links.parquet")
    (read,) = read_url_list(tmp_path / "links.parquet").to_pylist()
    assert read == {field.name: row[field.name] for field in PHOTO_FIELDS} | {
        "captions": ["A dog", "Two", "Three"],
        "source": "url_list",
    }


def test_rows_without_a_url_are_left_out_and_counted(tmp_path, caplog):
    (tmp_path / "list.csv").write_text(f"url,caption\n{B},A cat\n,nothing\n")
    with caplog.at_level(logging.INFO):
        assert len(read_url_list(tmp_path / "list.csv")) == 1
    assert "rows 2, without url 1" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.csv", "address,caption\nx,y\n", "columns address, caption, and none that is known to hold urls"),
        ("l.csv", "url,caption\n,y\n", "has no url in its column url"),
        ("l.txt", "just words\n", "no rows below its columns just words"),
        ("l.txt", "\n", "is empty"),
        ("l.jsonl", "{", "Line 1 of .* is no JSON"),
        ("l.parquet", "PAR1", "cannot be read as Parquet"),
    ],
)
def test_a_list_that_does_not_fit_says_why(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(PhotosError, match=message):
        read_url_list(tmp_path / name)


def test_a_missing_list_says_so(tmp_path):
    with pytest.raises(PhotosError, match="There is no file"):
        read_url_list(tmp_path / "none.csv")
