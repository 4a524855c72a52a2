"""Parquet of others: the rows as they are, and a sentence where a few of them would take the machine's memory."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.tables.parquet_rows import open_parquet_rows, parquet_batches


def test_rows_of_every_type_come_as_they_were_written(tmp_path):
    table = pa.table(
        {
            "file": ["a.jpg", None, "c"],
            "captions": [["one", "two"], [], None],
            "at": [datetime.datetime(2026, 1, 2), None, None],
            "size": pa.array([1, 2, None], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    columns, rows = open_parquet_rows(tmp_path / "a.parquet", CaptionsError)
    assert columns == table.column_names and list(rows) == table.to_pylist()
    (batch,) = parquet_batches(tmp_path / "a.parquet", CaptionsError, ["size"], group=1)
    assert batch.to_pydict() == {"size": [None]}
    pq.write_table(table.slice(0, 0), tmp_path / "empty.parquet")
    assert list(open_parquet_rows(tmp_path / "empty.parquet", CaptionsError)[1]) == []


def test_a_text_that_stands_once_in_the_file_and_in_every_row_is_a_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    once = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["a" * 5_000_000])
    pq.write_table(
        pa.table({"caption": once}),
        path,
        compression="zstd",
        write_statistics=False,
        store_schema=False,
        dictionary_pagesize_limit=1 << 30,
    )
    assert path.stat().st_size < 10_000
    with pytest.raises(CaptionsError, match=r"cannot be read as Parquet \(a few of its rows|unpacks to more than"):
        list(open_parquet_rows(path, CaptionsError)[1])


def test_a_list_without_an_end_in_one_row_is_a_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    numbers = pa.array(np.zeros(20_000_000, np.int64))
    table = pa.table({"caption": pa.ListArray.from_arrays([0, len(numbers)], numbers)})
    pq.write_table(table, path, compression="zstd", use_dictionary=False, write_statistics=False)
    with pytest.raises(CaptionsError, match="a few of its rows take more"):
        list(open_parquet_rows(path, CaptionsError)[1])


def test_more_rows_than_bytes_are_a_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caption": pa.nulls(3_000_000)}), path)
    with pytest.raises(CaptionsError, match=r"says that it holds 3,000,000 rows in [\d,]+ bytes"):
        open_parquet_rows(path, CaptionsError)


def test_a_reader_that_nobody_reads_to_the_end_is_ended(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caption": [f"caption {number}" for number in range(200_000)]}), path)
    batches = parquet_batches(path, CaptionsError)
    assert len(next(batches)) == 1000
    batches.close()


def test_damage_within_the_file_is_a_sentence(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caption": [f"caption {number}" for number in range(10_000)]}), path)
    content = bytearray(path.read_bytes())
    content[100:2000] = bytes(1900)
    path.write_bytes(content)
    with pytest.raises(CaptionsError, match=r"cannot be read as Parquet \(.+\). Make it again."):
        list(open_parquet_rows(path, CaptionsError)[1])


@pytest.mark.parametrize("nested", [False, True])
def test_a_text_that_is_no_utf_8_is_named_by_row_and_column(tmp_path, nested):
    texts = pa.array([b"a cup"] * 1500 + [b"caf\xe9"], pa.binary())
    captions = pa.StringArray.from_buffers(len(texts), *texts.buffers()[1:])
    if nested:
        captions = pa.ListArray.from_arrays(list(range(len(texts) + 1)), captions)
    pq.write_table(pa.table({"file": ["a.jpg"] * len(texts), "caption": captions}), tmp_path / "a.parquet")
    _, rows = open_parquet_rows(tmp_path / "a.parquet", CaptionsError)
    with pytest.raises(CaptionsError, match=r"row 1,501 of its column caption has no value \(.*0xe9"):
        list(rows)
