"""Tables that cannot be read are told in a sentence."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.tables.open_table import stream_table_file


def rows_of(path):
    return list(stream_table_file(path, lambda cells: None, PhotosError).rows)


@pytest.mark.parametrize("text", [",,\n,,\n", "\n\n", "", ";"])
def test_a_file_of_commas_alone_is_empty(tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(PhotosError, match=r"list\.csv is empty"):
        rows_of(tmp_path / "list.csv")


@pytest.mark.parametrize(
    "column",
    [
        pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]),
        pa.array([1 << 62], pa.timestamp("us")),
    ],
    ids=["no UTF-8", "a time after all times"],
)
def test_values_that_no_table_should_hold_are_told(tmp_path, column):
    pq.write_table(pa.table({"url": column}), tmp_path / "list.parquet")
    with pytest.raises(PhotosError, match="cannot be read as Parquet"):
        rows_of(tmp_path / "list.parquet")


LINES = b"""url,caption,width\nhttps://a.test/1.jpg,"a ""red"" house, by the sea",640\n\nhttps://a.test/2.jpg,\xc3\xbcber,\n"""
TABLES = {
    "csv": LINES,
    "tsv": LINES.replace(b",", b"\t"),
    "json": b'[{"url": "https://a.test/1.jpg", "caption": ["a", null]}, {"url": "b", "caption": {"en": 1.5e3}}]',
    "jsonl": b'{"url": "https://a.test/1.jpg", "caption": "\\u00fcber"}\n{"url": "b"}\n',
    "csv.gz": gzip.compress(LINES, mtime=0),
}
PIECES = [
    b"",
    b"\0",
    b'"',
    b"\n",
    b"\r",
    b",",
    b"[",
    b"{",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"1e999",
    b"NaN",
    b"\\ud800",
]
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from(PIECES)), min_size=1, max_size=4)


@pytest.mark.parametrize("ending", TABLES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES)
def test_a_damaged_table_is_rows_or_a_sentence(tmp_path, ending, changes):
    """Bytes left out and others put in their place, anywhere."""
    text = TABLES[ending]
    for share, left_out, put_in in changes:
        place = int(share * len(text))
        text = text[:place] + put_in + text[place + left_out :]
    path = tmp_path / f"list.{ending}"
    path.write_bytes(text)
    try:
        rows = rows_of(path)
    except PhotosError as error:
        assert path.name in str(error) and len(str(error)) < 1000
    else:
        assert all(isinstance(name, str) for row in rows for name in row)
