from __future__ import annotations

import io

import pytest
from PIL import Image

from clip_pipeline.evaluation.report.examples import evenly_spaced, thumbnail


@pytest.mark.parametrize(("count", "chosen"), [(2, [2, 7]), (5, [1, 3, 5, 7, 9]), (20, list(range(10)))])
def test_examples_are_evenly_spaced(count, chosen):
    assert evenly_spaced(range(10), count) == chosen


def test_a_thumbnail_is_small_and_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (800, 400), "red").save(buffer, "JPEG", exif=exif)
    small = Image.open(io.BytesIO(thumbnail(buffer.getvalue())))
    assert small.size == (80, 160)
    assert not small.getexif()
