"""Images in one NumPy array."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.open import Columns, open_photos
from clip_pipeline_tests.made.opened_photos import read_all


def test_an_array_of_digits_gives_images_by_row_number(tmp_path):
    digits = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    np.save(tmp_path / "digits.npy", digits)
    photos = open_photos(tmp_path / "digits.npy")
    assert len(photos) == 5
    read = read_all(photos)
    assert list(read) == ["0", "1", "2", "3", "4"]
    assert all(np.array_equal(read[str(row)], digits[row]) for row in range(5))


@pytest.mark.parametrize(("shape", "seen"), [((2, 5, 7, 3), (5, 7, 3)), ((2, 5, 7, 1), (5, 7))])
def test_colours_are_the_last_axis(tmp_path, shape, seen):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", array)
    second = read_all(open_photos(tmp_path / "x.npy"))["1"]
    assert np.array_equal(second, array[1].reshape(seen))


def test_keys_beside_an_array_are_its_ids(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "x_keys.txt").write_text("first\nsecond\n")
    assert list(read_all(open_photos(tmp_path / "x.npy"))) == ["first", "second"]
    (tmp_path / "other.txt").write_text("one\n")
    with pytest.raises(PhotosError, match=r"other.txt holds 1 ids and .*x.npy 2 images. Give one id an image"):
        open_photos(tmp_path / "x.npy", columns=Columns(keys=str(tmp_path / "other.txt")))
    with pytest.raises(PhotosError, match="There is no file of keys"):
        open_photos(tmp_path / "x.npy", columns=Columns(keys=str(tmp_path / "gone.txt")))


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
        open_photos(tmp_path / "x.npy")


def test_an_array_that_is_cut_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((20, 40, 40), np.uint8))
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[: len(content) // 2])
    with pytest.raises(PhotosError, match="cannot be read as an array"):
        open_photos(tmp_path / "x.npy")
