from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.records import IMAGE_LINKS, PHOTO_CATALOG, PHOTO_FIELDS
from clip_pipeline.sources.photos.url_list import list_url_photos

A, B = "https://a.test/1.jpg?w=1,2;3|4", "http://b.test/2.jpg"


def read_url_list(path, counts=None):
    return pa.concat_tables(list_url_photos(path, LeftOut() if counts is None else counts))


def short_hash(url):
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def test_plain_lines_are_urls(tmp_path):
    file = tmp_path / "urls.txt"
    file.write_text(f"# by hand, today\n{A}\n\n# a remark\n{B}\r\n{A}\n")
    table = read_url_list(file)
    assert table.schema == pa.schema(PHOTO_FIELDS)
    assert table["url"].to_pylist() == [A, B, A]
    assert table["id"].to_pylist() == [short_hash(A), short_hash(B), short_hash(A)]
    assert table["captions"].to_pylist() == [[], [], []]
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
    first, second = read_url_list(tmp_path / "links.parquet").to_pylist()
    known = {field.name: row.get(field.name) for field in PHOTO_FIELDS} | {"source": "url_list"}
    assert first == known
    assert second == known | {"captions": ["Two", "Three"]}


def test_rows_without_a_url_are_left_out_and_counted(tmp_path):
    (tmp_path / "list.csv").write_text(f"url,caption\n{B},A cat\n,nothing\n{B}\n")
    counts = LeftOut()
    assert len(read_url_list(tmp_path / "list.csv", counts)) == 1
    assert counts == {"row without url": 1, "row with too few columns": 1}


def test_keywords_are_read_from_a_list_or_a_text(tmp_path):
    rows = [{"url": A, "tags": "cat, red  cup;cat||"}, {"url": B, "tags": ["a, b", "c"]}, {"url": B}]
    (tmp_path / "list.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert read_url_list(tmp_path / "list.jsonl")["words"].to_pylist() == [["cat", "red  cup"], ["a", "b", "c"], []]


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda content: pa.Codec("zstd").compress(content, asbytes=True)),
    ],
)
@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.txt", "list.jsonl"])
def test_compressed_lists_are_read(tmp_path, name, ending, pack):
    packed = tmp_path / f"{name}{ending}"
    packed.write_bytes(pack(EVERY_FORM[name].encode()))
    assert read_url_list(packed)["captions"].to_pylist() == [["A dog, running"], ["A cat"]]
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(PhotosError, match="cannot be unpacked|is cut|is damaged"):
        read_url_list(packed)


def test_a_folder_of_lists_is_read_file_by_file(tmp_path):
    (tmp_path / "part-00001.csv").write_text(f"caption,url\nA cat,{B}\n")
    pq.write_table(pa.table({"URL": [A], "TEXT": ["A dog"]}), tmp_path / "part-00000.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.md").write_text("none")
    assert read_url_list(tmp_path)["captions"].to_pylist() == [["A dog"], ["A cat"]]


def test_a_folder_without_lists_says_so(tmp_path):
    with pytest.raises(PhotosError, match="holds no list of urls"):
        read_url_list(tmp_path)


def test_what_cannot_be_written_is_replaced(tmp_path):
    row = {"url": A, "caption": "one \ud83d half and a zero \0 byte", "id": "x\udcff", "author": "A\0B"}
    (tmp_path / "list.jsonl").write_text(json.dumps(row))
    (read,) = read_url_list(tmp_path / "list.jsonl").to_pylist()
    assert (read["captions"], read["id"], read["attribution"]) == (
        ["one \ufffd half and a zero   byte"],
        "x\ufffd",
        "A B",
    )


def test_a_long_list_is_read_in_pieces(tmp_path):
    (tmp_path / "list.txt").write_text("".join(f"http://a.test/{n}.jpg\n" for n in range(10_000)))
    pieces = [len(piece) for piece in list_url_photos(tmp_path / "list.txt", LeftOut())]
    assert sum(pieces) == 10_000
    assert max(pieces) <= 4096


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
