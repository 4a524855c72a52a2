"""Two columns of one name, and a name twice in an object, hide nothing."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.caption_files import read_caption_file
from clip_pipeline.sources.tables.open_table import stream_table_file

TWICE = '{"file": "1.jpg", "caption": "a cup", "caption": "a mug"}'


def read(path):
    table = stream_table_file(path, lambda cells: None, PhotosError)
    return table.columns, list(table.rows)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("captions.jsonl", TWICE + "\n"),
        ("captions.json", f"[{TWICE}]"),
        ("captions.json", "[" + ", ".join([TWICE] * 5) + "]"),
        ("captions.csv", "file,caption,caption\n1.jpg,a cup,a mug\n"),
    ],
)
def test_a_name_that_stands_twice_gets_a_number(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    columns, rows = read(tmp_path / file)
    assert columns == ["file", "caption", "caption 2"]
    assert all(row == {"file": "1.jpg", "caption": "a cup", "caption 2": "a mug"} for row in rows)
    assert next(read_caption_file(tmp_path / file)).captions == ["a cup", "a mug"]


def test_two_columns_of_one_name_in_parquet_are_both_read(tmp_path):
    names = ["file", "caption", "caption"]
    pq.write_table(
        pa.Table.from_arrays([pa.array([one]) for one in ("1.jpg", "a cup", "a mug")], names),
        tmp_path / "captions.parquet",
    )
    assert read(tmp_path / "captions.parquet") == (
        ["file", "caption", "caption 2"],
        [{"file": "1.jpg", "caption": "a cup", "caption 2": "a mug"}],
    )


def test_objects_within_objects_are_read_as_they_are(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"file": "1.jpg", "of": {"a": 1, "b": ": \\":"}}\n')
    assert read(tmp_path / "a.jsonl")[1] == [{"file": "1.jpg", "of": {"a": 1, "b": ': ":'}}]
