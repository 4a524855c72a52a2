"""The modes of download.resize, each beside Pillow's own way to the same image."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps

from clip_pipeline.images.download.check_photo import CheckedPhoto, check_photo
from clip_pipeline.images.download.resize_modes import Frame, frame_of
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.photos import scene

SETTINGS = DownloadSettings(image_size=48, min_side=8, quality=95)
BICUBIC = Image.Resampling.BICUBIC


def png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def checked(content: bytes, **changes) -> CheckedPhoto:
    found = check_photo(content, replace(SETTINGS, **changes))
    assert isinstance(found, CheckedPhoto), found
    return found


def assert_near(image: Image.Image, expected: Image.Image) -> None:
    """Equal but for the rounding, and the cutting off at hard edges, that follow from which direction comes first."""
    assert image.size == expected.size
    difference = np.abs(np.asarray(image).astype(int) - np.asarray(expected))
    assert difference.mean() < 0.5
    assert np.quantile(difference, 0.95) <= 4
    assert difference.max() <= 40


REFERENCES = {
    "shorter_side": lambda photo: photo.resize((64, 48), BICUBIC),
    "longest_side": lambda photo: photo.resize((48, 36), BICUBIC),
    "crop": lambda photo: ImageOps.fit(photo, (48, 48), BICUBIC),
    "pad": lambda photo: ImageOps.pad(photo, (48, 48), BICUBIC, color="white"),
    "squash": lambda photo: photo.resize((48, 48), BICUBIC),
}


@pytest.mark.parametrize("mode", REFERENCES)
@pytest.mark.parametrize("upright", [True, False])
def test_every_mode_is_what_pillow_makes_of_it(mode, upright):
    photo = scene(1, size=(120, 90)) if upright else scene(1, size=(90, 120))
    expected = REFERENCES[mode](photo if upright else photo.transpose(Image.Transpose.TRANSPOSE))
    if not upright:
        expected = expected.transpose(Image.Transpose.TRANSPOSE)
    found = checked(png(photo), resize=mode)
    assert found.image.size == expected.size == (found.width, found.height)
    assert_near(found.image, expected)
    stored = np.asarray(Image.open(io.BytesIO(found.stored))).astype(int)
    assert np.abs(stored - np.asarray(expected)).mean() < 8
    assert (found.original_width, found.original_height) == photo.size


@pytest.mark.parametrize("mode", REFERENCES)
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_photo_becomes_what_the_upright_one_becomes(mode, turn):
    photo = scene(2, size=(120, 90))
    exif = Image.Exif()
    exif[0x0112] = turn
    content = png(photo, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    found, expected = checked(content, resize=mode), checked(png(upright), resize=mode)
    assert found.image.size == expected.image.size
    assert_near(found.image, expected.image)
    assert (found.original_width, found.original_height) == upright.size


@pytest.mark.parametrize("mode", REFERENCES)
def test_smaller_photos_are_left_or_enlarged_as_the_settings_say(mode):
    photo = scene(3, size=(32, 24))
    assert checked(png(photo), resize=mode).image.size == (32, 24)
    enlarged = checked(png(photo), resize=mode, only_if_bigger=False)
    expected = REFERENCES[mode](photo)
    assert enlarged.image.size == expected.size
    assert_near(enlarged.image, expected)


@pytest.mark.parametrize(("kind", "ending"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")])
def test_original_keeps_the_bytes_as_they_came_with_all_that_is_in_them(kind, ending):
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Pinhole 3000", 6
    buffer = io.BytesIO()
    scene(4, size=(120, 90)).save(buffer, kind, **({} if kind == "GIF" else {"exif": exif}))
    found = checked(buffer.getvalue(), resize="original")
    assert (found.stored, found.ending) == (buffer.getvalue(), ending)
    assert sorted((found.original_width, found.original_height)) == [90, 120]


def test_original_refuses_what_does_not_decode():
    content = png(scene(5))
    assert not isinstance(check_photo(content[:-2000], replace(SETTINGS, resize="original")), CheckedPhoto)


def test_sizes_of_extreme_shapes_are_at_least_one_pixel():
    assert frame_of(5000, 3, replace(SETTINGS, resize="longest_side")) == Frame(48, 1)
    assert frame_of(3, 5000, replace(SETTINGS, resize="pad")) == Frame(1, 48, bars=48)


@pytest.mark.parametrize("mode", [*REFERENCES, "original"])
def test_large_jpegs_that_the_decoder_scales_come_out_right(mode):
    photo = scene(6, size=(800, 600))
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=95)
    found = checked(buffer.getvalue(), resize=mode)
    assert (found.original_width, found.original_height) == (800, 600)
    if mode != "original":
        expected = REFERENCES[mode](photo)
        assert found.image.size == expected.size
        assert np.abs(np.asarray(found.image).astype(int) - np.asarray(expected)).mean() < 3
