"""The decoder beside Pillow, where both could do the work."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import ImageError
from clip_pipeline.pixels.decode import decode, open_unchecked, orientation, rows_as_stored
from clip_pipeline.pixels.headers.header import ImageHeader
from clip_pipeline.pixels.headers.read import read_header
from clip_pipeline_tests.images.photos import scene
from clip_pipeline_tests.made.image_files import bare_png, encoded

JPEGS = {
    "plain": {"quality": 85},
    "without subsampling": {"quality": 95, "subsampling": 0},
    "halved in one direction": {"quality": 85, "subsampling": "4:2:2"},
    "progressive": {"quality": 85, "progressive": True},
    "colours kept as RGB": {"quality": 85, "keep_rgb": True},
}


def pillow(content: bytes, times: int = 1) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        if times > 1:
            image.draft(None, (image.width // times, image.height // times))
        return np.asarray(image.convert("RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2, 4, 8])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_at_any_part_of_its_size_has_the_very_pixels_of_pillow(kind, mode, times):
    options = dict(JPEGS[kind])
    if mode != "RGB":
        options.pop("keep_rgb", None)
    for size in ((640, 480), (637, 483), (64, 200), (17, 9)):
        content = encoded(scene(3, size=size).convert(mode), "JPEG", **options)
        header = read_header("JPEG", content)
        rows, undamaged = rows_as_stored(header, open_unchecked(header), times)
        assert undamaged == (mode == "RGB" or mode == "L")
        assert np.array_equal(rows, pillow(content, times))
        if times == 1:
            assert np.array_equal(decode(content).rows_HW3, rows)


def test_a_jpeg_that_is_cut_is_judged_by_pillow_at_any_size():
    content = encoded(scene(3, size=(640, 480)), "JPEG")[:-3000]
    header = read_header("JPEG", content)
    for times in (1, 4):
        with pytest.raises(OSError, match="truncated"):
            rows_as_stored(header, open_unchecked(header), times)
    with pytest.raises(ImageError, match="truncated"):
        decode(content)


def test_a_kind_that_this_pillow_cannot_decode_is_named(monkeypatch):
    monkeypatch.setattr(Image, "OPEN", {})
    monkeypatch.setattr(Image, "init", lambda: 0)
    with pytest.raises(ValueError, match="this Pillow was built without AVIF"):
        open_unchecked(ImageHeader("AVIF", 1, 1, 1, b""))


def test_what_would_fill_the_memory_is_refused():
    for content in (bare_png(16_000, 16_000, 6), bare_png(2_000_000, 100, 3)):
        with pytest.raises(ImageError, match="pixels takes [0-9,]+ MB of memory; 800 MB is the most"):
            decode(content)


def test_an_orientation_that_is_none_means_upright():
    for value in (0, 9, 77):
        exif = Image.Exif()
        exif[0x0112] = value
        content = encoded(scene(1, size=(40, 30)), "JPEG", exif=exif)
        assert orientation(Image.open(io.BytesIO(content))) == value
        assert decode(content).size == (40, 30)
