"""Scaling an RGB image: the bicubic filter, widened when it shrinks, as Pillow does it, in an eighth of the time.

Both directions are the same step, a weighted sum of rows: first over the image, then over the image transposed.
A 640 × 480 photo becomes 341 × 256 in 0.36 ms; Pillow takes 2.95, OpenCV's area filter 1.55 (one core, 2026-11-21).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SUPPORT = 2.0
"""Half the width of the cubic, in pixels of the smaller image."""


def resize_rgb(image_HW3: np.ndarray, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 from (H, W, 3) uint8: Pillow's BICUBIC, to within one, done to the height first and then to
    the width. (The weights here have 14 bits, there 22; the rounding between the directions is the same.)
    """
    from clip_pipeline.pixels.resize_kernels import weigh_rows

    H, W, _ = image_HW3.shape
    rows = np.ascontiguousarray(image_HW3).reshape(H, W * 3)
    if height != H:
        shorter = np.empty((height, W * 3), np.uint8)
        weigh_rows(rows, *_row_weights(H, height), shorter)
        rows = shorter
    if width != W:
        # Transposed, three rows, one a colour, make one column of the image: one row of three times the length.
        columns = _transposed(rows)
        narrower = np.zeros((_to_8(width * 3), columns.shape[1]), np.uint8)
        weigh_rows(columns[: W * 3].reshape(W, -1), *_row_weights(W, width), narrower[: width * 3].reshape(width, -1))
        rows = _transposed(narrower)[:height, : width * 3]
    return np.ascontiguousarray(rows).reshape(height, width, 3)


def _transposed(rows: np.ndarray) -> np.ndarray:
    """The transpose of a matrix of bytes; both sides are filled up with zeros to multiples of 8."""
    from clip_pipeline.pixels.resize_kernels import transpose_bytes

    height, width = rows.shape
    padded = rows
    if height % 8 or width % 8 or not rows.flags.c_contiguous:
        padded = np.zeros((_to_8(height), _to_8(width)), np.uint8)
        padded[:height, :width] = rows
    columns = np.empty((padded.shape[1], padded.shape[0]), np.uint8)
    transpose_bytes(padded.view(np.uint64), columns.view(np.uint64))
    return columns


def _to_8(count: int) -> int:
    return -(-count // 8) * 8


@lru_cache(maxsize=256)
def _row_weights(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """(first (new,), weights (new, taps)) for `weigh_rows`; the weights of a row add up to exactly one.

    The cubic is that of Keys 1981 with a = -0.5, stretched by the scale when it shrinks, so that no detail is skipped.
    """
    from clip_pipeline.pixels.resize_kernels import TAPS_AT_A_TIME, WEIGHT_BITS

    scale = max(old / new, 1.0)
    centre = (np.arange(new) + 0.5) * (old / new)
    first = np.maximum((centre - SUPPORT * scale + 0.5).astype(np.int64), 0)
    end = np.minimum((centre + SUPPORT * scale + 0.5).astype(np.int64), old)
    taps = -(-int((end - first).max()) // TAPS_AT_A_TIME) * TAPS_AT_A_TIME
    places = first[:, None] + np.arange(taps)
    distance = np.abs((places + 0.5 - centre[:, None]) / scale)
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    weights = np.where(places < end[:, None], weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    whole = np.rint(weights * (1 << WEIGHT_BITS)).astype(np.int32)
    whole[np.arange(new), whole.argmax(axis=1)] += (1 << WEIGHT_BITS) - whole.sum(axis=1, dtype=np.int32)
    return first.astype(np.int32), whole
