"""Photos one after the other, from files of every kind that is read."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.image_set import open_image_set
from clip_pipeline.sources.photos.photo_input import Columns, open_photo_input
from clip_pipeline_tests.sources.photos.test_tars import write_tar


def read_all(photos) -> dict[str, bytes]:
    return {photo.id: photo.read() for photo in photos.photos()}


def files(folder, **contents):
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_a_folder_gives_the_ids_of_an_image_set(tmp_path):
    files(tmp_path, a_dot_jpg=b"1", sub__b_dot_png=b"2", sub__a_dot_jpg=b"3", note_dot_md=b"x")
    photos = open_photo_input(tmp_path)
    assert photos.total == 3
    assert list(read_all(photos)) == open_image_set(tmp_path).ids
    assert [photo.place for photo in photos.photos()][0] == str(tmp_path / "a.jpg")
    assert read_all(photos) == read_all(photos), "as often as one likes"


@pytest.mark.parametrize("pattern", [False, True])
def test_tars_are_read_one_after_the_other_with_the_ids_of_an_image_set(tmp_path, pattern):
    write_tar(tmp_path / "00000.tar", {"b.jpg": b"1", "b.txt": b"t", "a.png": b"2", "c.txt": b"no photo"})
    write_tar(tmp_path / "00001.tar", {"a.jpg": b"3"})
    path = tmp_path / "{00000..00001}.tar" if pattern else tmp_path
    photos = open_photo_input(path)
    assert photos.total == 3
    assert read_all(photos) == {"00000/a": b"2", "00000/b": b"1", "00001/a": b"3"}
    assert list(read_all(photos)) == open_image_set(path).ids


def test_one_tar_and_one_photo_are_read_as_an_image_set(tmp_path):
    write_tar(tmp_path / "x.tar", {"cat/a.jpg": b"1", "dog/b.jpg": b"2"})
    photos = open_photo_input(tmp_path / "x.tar")
    assert list(read_all(photos)) == open_image_set(tmp_path / "x.tar").ids
    files(tmp_path, one_dot_jpg=b"1")
    assert read_all(open_photo_input(tmp_path / "one.jpg")) == {"one": b"1"}


def test_the_identity_follows_the_files(tmp_path):
    files(tmp_path, a_dot_jpg=b"1", b_dot_jpg=b"2")
    before = open_photo_input(tmp_path).identity
    assert open_photo_input(tmp_path).identity == before
    os.utime(tmp_path / "a.jpg", ns=(1, 1))
    assert open_photo_input(tmp_path).identity != before


def test_what_is_no_photo_is_told(tmp_path):
    files(tmp_path, a_dot_pdf=b"1", notes_dot_csv=b"2")
    with pytest.raises(PhotosError, match=r"a.pdf is no photo, tar, array or table of photos. Files that end in .jpg"):
        open_photo_input(tmp_path / "a.pdf")
    with pytest.raises(PhotosError, match="holds no photos"):
        open_photo_input(tmp_path)
    with pytest.raises(PhotosError, match=r"There is no .*gone"):
        open_photo_input(tmp_path / "gone")


# ---- arrays


def test_an_array_of_digits_gives_images_by_row_number(tmp_path):
    digits = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    np.save(tmp_path / "digits.npy", digits)
    photos = open_photo_input(tmp_path / "digits.npy")
    assert photos.total == 5
    read = read_all(photos)
    assert list(read) == ["0", "1", "2", "3", "4"]
    assert all(np.array_equal(read[str(row)], digits[row]) for row in range(5))


@pytest.mark.parametrize(("shape", "seen"), [((2, 5, 7, 3), (5, 7, 3)), ((2, 5, 7, 1), (5, 7))])
def test_colours_are_the_last_axis(tmp_path, shape, seen):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    second = read_all(open_photo_input(tmp_path / "x.npy"))["1"]
    assert np.array_equal(second, array[1].reshape(seen))


def test_keys_beside_an_array_are_its_ids(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "x_keys.txt").write_text("first\nsecond\n")
    assert list(read_all(open_photo_input(tmp_path / "x.npy"))) == ["first", "second"]
    (tmp_path / "other.txt").write_text("one\n")
    with pytest.raises(PhotosError, match=r"other.txt holds 1 ids and .*x.npy 2 images. Give one id an image"):
        open_photo_input(tmp_path / "x.npy", Columns(keys=str(tmp_path / "other.txt")))
    with pytest.raises(PhotosError, match="There is no file of keys"):
        open_photo_input(tmp_path / "x.npy", Columns(keys=str(tmp_path / "gone.txt")))


NAN = np.full((2, 4, 4), np.nan, np.float32)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (NAN, r"float32 of shape 2 × 4 × 4; .* Some are not numbers \(NaN\)"),
        (np.full((2, 4, 4), 0.5), r"float64 .* Save \(array \* 255\).round\(\).astype\(numpy.uint8\)"),
        (np.full((2, 4, 4), -0.5), "They are normalised: save the images as they were before"),
        (np.ones((2, 4, 4), np.int64), r"int64 .* Save the values of 0 to 255 with astype\(numpy.uint8\)"),
        (np.ones((2, 3, 4, 5), np.uint8), r"2 × 3 × 4 × 5; .* Save array.transpose\(0, 2, 3, 1\)"),
        (np.ones((2, 784), np.uint8), r"2 × 784; .* Save array.reshape\(-1, H, W\)"),
        (np.ones((9, 9, 3), np.uint8), r"9 × 9 × 3: one image\? .* Save array\[None\]"),
        (np.ones((2, 4, 4, 7), np.uint8), r"2 × 4 × 4 × 7; N × H × W or N × H × W × 3 of uint8 were expected"),
        (np.ones((0, 4, 4), np.uint8), r"0 × 4 × 4; N × H × W"),
        (np.ones(4, np.uint8), r"shape 4; N × H × W"),
        (np.asfortranarray(np.ones((2, 4, 5), np.uint8)), r"is stored by columns. Save numpy.ascontiguousarray"),
        (np.array([{"a": 1}]), r"cannot be read as an array"),
    ],
)
def test_arrays_that_hold_no_images_are_told_with_what_to_save(tmp_path, array, sentence):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(PhotosError, match=sentence):
        open_photo_input(tmp_path / "x.npy")


def test_an_array_that_is_cut_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((20, 40, 40), np.uint8))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[: len(content) // 2])
    with pytest.raises(PhotosError, match="cannot be read as an array"):
        open_photo_input(tmp_path / "x.npy")


# ---- Parquet


def test_photos_in_a_column_of_bytes_are_found_with_their_ids(tmp_path):
    table = pa.table({"caption": ["x", "y"], "image": [b"1", b"2"], "photo_id": ["p", "q"], "width": [3, 4]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert read_all(open_photo_input(tmp_path / "x.parquet")) == {"p": b"1", "q": b"2"}


def test_the_struct_of_hugging_face_is_read(tmp_path):
    images = pa.array([{"bytes": b"1", "path": "a.png"}, {"bytes": b"2", "path": None}])
    pq.write_table(pa.table({"image": images, "label": [0, 0]}), tmp_path / "x.parquet")
    assert read_all(open_photo_input(tmp_path / "x.parquet")) == {"0": b"1", "1": b"2"}


def test_columns_can_be_named(tmp_path):
    table = pa.table({"image": [b"small"], "large": [b"1"], "number": [7]})
    pq.write_table(table, tmp_path / "x.parquet")
    photos = open_photo_input(tmp_path / "x.parquet", Columns(image="large", id="number"))
    assert read_all(photos) == {"7": b"1"}


def test_a_folder_of_tables_numbers_rows_after_their_file(tmp_path):
    for name in ("b", "a"):
        pq.write_table(pa.table({"jpg": [name.encode(), b"2"]}), tmp_path / f"{name}.parquet")
    assert read_all(open_photo_input(tmp_path)) == {"a/0": b"a", "a/1": b"2", "b/0": b"b", "b/1": b"2"}


def test_tables_may_lie_deeper_as_those_of_hugging_face_do(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"image": [name.encode()]}), tmp_path / name / "0.parquet")
    assert read_all(open_photo_input(tmp_path)) == {"test/0/0": b"test", "train/0/0": b"train"}


def test_keys_for_what_is_no_array_are_told(tmp_path):
    files(tmp_path, a_dot_jpg=b"1")
    with pytest.raises(PhotosError, match="A file of keys goes with an array"):
        open_photo_input(tmp_path, Columns(keys="keys.txt"))


def test_names_that_repeat_are_no_ids(tmp_path):
    pq.write_table(pa.table({"image": [b"1", b"2"], "name": ["cat", "cat"]}), tmp_path / "x.parquet")
    assert list(read_all(open_photo_input(tmp_path / "x.parquet"))) == ["0", "1"]
    with pytest.raises(PhotosError, match="The column name of .* holds an id more than once"):
        open_photo_input(tmp_path / "x.parquet", Columns(id="name"))


def test_a_row_without_bytes_is_a_photo_that_cannot_be_read(tmp_path):
    pq.write_table(pa.table({"image": [b"1", None]}), tmp_path / "x.parquet")
    first, second = open_photo_input(tmp_path / "x.parquet").photos()
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
        open_photo_input(tmp_path / "x.parquet", columns)
    assert sentence in str(error.value)


def test_a_table_that_is_cut_is_told(tmp_path):
    pq.write_table(pa.table({"image": [b"1" * 1000] * 50}), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content[:-20])
    with pytest.raises(PhotosError, match="cannot be read as Parquet"):
        open_photo_input(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes(content[:4] + b"\xff" * 60 + content[64:])
    with pytest.raises(PhotosError, match="breaks off after row 0"):
        read_all(open_photo_input(tmp_path / "x.parquet"))
