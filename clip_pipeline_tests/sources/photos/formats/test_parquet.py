"""Photos in a column of Parquet files."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.open import Columns, open_photos
from clip_pipeline_tests.made.opened_photos import read_all


def test_photos_in_a_column_of_bytes_are_found_with_their_ids(tmp_path):
    table = pa.table({"caption": ["x", "y"], "image": [b"1", b"2"], "photo_id": ["p", "q"], "width": [3, 4]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert read_all(open_photos(tmp_path / "x.parquet")) == {"p": b"1", "q": b"2"}


def test_the_struct_of_hugging_face_is_read(tmp_path):
    images = pa.array([{"bytes": b"1", "path": "a.png"}, {"bytes": b"2", "path": None}])
    pq.write_table(pa.table({"image": images, "label": [0, 0]}), tmp_path / "x.parquet")
    assert read_all(open_photos(tmp_path / "x.parquet")) == {"0": b"1", "1": b"2"}


def test_columns_can_be_named(tmp_path):
    table = pa.table({"image": [b"small"], "large": [b"1"], "number": [7]})
    pq.write_table(table, tmp_path / "x.parquet")
    photos = open_photos(tmp_path / "x.parquet", columns=Columns(image="large", id="number"))
    assert read_all(photos) == {"7": b"1"}


def test_a_folder_of_tables_numbers_rows_after_their_file(tmp_path):
    for name in ("b", "a"):
        pq.write_table(pa.table({"jpg": [name.encode(), b"2"]}), tmp_path / f"{name}.parquet")
    assert read_all(open_photos(tmp_path)) == {"a/0": b"a", "a/1": b"2", "b/0": b"b", "b/1": b"2"}


def test_tables_may_lie_deeper_as_those_of_hugging_face_do(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"image": [name.encode()]}), tmp_path / name / "0.parquet")
    assert read_all(open_photos(tmp_path)) == {"test/0/0": b"test", "train/0/0": b"train"}


def test_names_that_repeat_are_no_ids(tmp_path):
    pq.write_table(pa.table({"image": [b"1", b"2"], "name": ["cat", "cat"]}), tmp_path / "x.parquet")
    assert list(read_all(open_photos(tmp_path / "x.parquet"))) == ["0", "1"]
    with pytest.raises(PhotosError, match="The column name of .* holds an id more than once"):
        open_photos(tmp_path / "x.parquet", columns=Columns(id="name"))


def test_a_row_without_bytes_is_a_photo_that_cannot_be_read(tmp_path):
    pq.write_table(pa.table({"image": [b"1", None]}), tmp_path / "x.parquet")
    first, second = open_photos(tmp_path / "x.parquet")
    assert first.read() == b"1"
    with pytest.raises(OSError, match="holds no bytes here"):
        second.read()


@pytest.mark.parametrize(
    ("table", "columns", "sentence"),
    [
        ({"a": [b"1"], "b": [b"2"]}, Columns(), "there are a, b: say which with --image-column"),
        ({"a": [1]}, Columns(), "a column with the photos' files was expected, and there are none of bytes"),
        ({"image": [b"1"]}, Columns(image="imag"), 'has no column "imag". Did you mean "image"?'),
        (
            {"image": ["a.jpg"]},
            Columns(image="image"),
            "the column image holds string, the bytes of photos' files were",
        ),
        (
            {"image": [b"1"], "x": [0.5]},
            Columns(id="x"),
            "the column x holds double, texts or whole numbers were expected",
        ),
        ({"image": pa.array([], pa.binary())}, Columns(), "holds no rows"),
    ],
)
def test_tables_without_photos_are_told(tmp_path, table, columns, sentence):
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    with pytest.raises(PhotosError) as error:
        open_photos(tmp_path / "x.parquet", columns=columns)
    assert sentence in str(error.value)


def test_a_table_that_is_cut_is_told(tmp_path):
    pq.write_table(pa.table({"image": [b"1" * 1000] * 50}), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content[:-20])
    with pytest.raises(PhotosError, match="cannot be read as Parquet"):
        open_photos(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes(content[:4] + b"\xff" * 60 + content[64:])
    with pytest.raises(PhotosError, match="cannot be read as Parquet"):
        read_all(open_photos(tmp_path / "x.parquet"))
