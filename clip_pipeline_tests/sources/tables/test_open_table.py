"""Tables that cannot be read are told in a sentence."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
