"""Arrays of any type as bytes, against numpy's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import ImageError
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.to_rgb import bytes_of, rgb_of_array

EVERY_BYTE = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize(
    "values",
    [
        EVERY_BYTE,
        EVERY_BYTE.astype(np.int64),
        EVERY_BYTE.astype(np.uint16) * 257,
        EVERY_BYTE.astype(np.uint16) * 256,
        EVERY_BYTE.astype(np.int32) * 257,
        EVERY_BYTE.astype(np.float32),
        EVERY_BYTE.astype(np.float64) / 255,
        (EVERY_BYTE / np.float32(255)).astype(np.float32),
        EVERY_BYTE.astype(np.float16),
        EVERY_BYTE.astype(">u2") * np.uint16(257),
        EVERY_BYTE.astype(">f4") / 255,
    ],
    ids=lambda values: f"{values.dtype} to {values.max()}",
)
def test_every_byte_comes_back_from_the_forms_it_is_kept_in(values):
    assert np.array_equal(bytes_of(values), EVERY_BYTE)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50))
def test_floats_are_rounded_to_the_nearest_byte(numbers):
    values = np.array(numbers, np.float32)
    assert np.abs(bytes_of(values) - values.astype(np.float64) * 255).max() <= 0.5 + 1e-4


def test_masks_are_black_and_white():
    assert bytes_of(np.array([[True, False]])).tolist() == [[255, 0]]


def test_an_array_becomes_three_colours_whatever_channels_it_has():
    gray = EVERY_BYTE
    expected = np.repeat(gray[:, :, None], 3, axis=2)
    opaque = np.full_like(gray, 255)
    assert np.array_equal(rgb_of_array(gray), expected)
    assert np.array_equal(rgb_of_array(gray[:, :, None]), expected)
    assert np.array_equal(rgb_of_array(np.dstack([gray, opaque])), expected)
    assert np.array_equal(rgb_of_array(np.dstack([gray, gray, gray, opaque])), expected)
    assert (rgb_of_array(np.dstack([gray, np.zeros_like(gray)])) == 255).all(), "what is transparent is white"


def test_what_comes_out_can_be_written_to_and_is_nobody_else_s():
    gray = EVERY_BYTE.copy()
    gray.setflags(write=False)
    for values in (gray, np.broadcast_to(gray[:, :, None], (16, 16, 3)), np.asfortranarray(np.dstack([gray] * 3))):
        rows = rgb_of_array(values)
        assert rows.flags.c_contiguous
        assert rows.flags.writeable
        assert not np.shares_memory(rows, values)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.zeros((3, 16, 20)), "its shape is 3 x 16 x 20, and H x W or H x W x 1 to 4 was expected"),
        (np.zeros(7), "its shape is 7, and"),
        (np.zeros((0, 5)), "its shape is 0 x 5 x 1, and"),
        (np.array([[-0.1, 0.5]]), "its values run from -0.1 to 0.5, and 0 to 1 or 0 to 255 was expected"),
        (np.array([[0, 256.0]]), "its values run from 0 to 256, and"),
        (np.array([[0, np.inf]]), "some of its values are not numbers"),
        (np.array([[-1, 5]]), "its values run from -1 to 5, and 0 to 255 or 0 to 65,535 was expected"),
        (np.array([[0, 65536]]), "its values run from 0 to 65,536, and"),
        (np.array([["a"]]), "its values are <U1, and numbers were expected"),
    ],
)
def test_other_shapes_and_ranges_are_refused_with_a_sentence(values, why):
    with pytest.raises(ImageError, match=why):
        decode(values)
