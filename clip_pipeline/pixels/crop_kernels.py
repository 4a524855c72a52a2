"""The inner loops of cropping and resizing, compiled once a machine: numba keeps the machine code beside the source.

All of it is Pillow's arithmetic, so the pixels are the same to the last bit: weights of 22 bits, the width first, rounded to
bytes, then the height. The lock of the interpreter is free meanwhile. Imported inside functions: numba takes a third of a
second.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import float32, float64, int32, int64, njit, uint8, void

from clip_pipeline.machine.numba_cache import cached
from clip_pipeline.pixels.resize_kernels import transpose_bytes

WEIGHT_BITS = 22
_HALF = 1 << (WEIGHT_BITS - 1)
_SUPPORT = 2.0


@cached(
    functools.partial(
        njit, int64(float64, float64, int64, int64, int64, int32[::1], int32[:, ::1]), nogil=True, error_model="numpy"
    )
)
def cubic_weights(low, high, old, new, skipped, first, weights):
    """Weights of the cubic filter (Keys 1981, a = -0.5) from `low`..`high` of `old` pixels to `new` ones.

    Only the new pixels from `skipped` on are wanted, as many as `first` has. first: the first old pixel of each. weights: in
    units of 2 ** -WEIGHT_BITS, zeros behind the last. The filter is widened where it shrinks, so that no detail is skipped.
    Returns the most taps that any new pixel has.
    """
    scale = float64(float32(high) - float32(low)) / new  # as Pillow, whose boxes are of single precision
    widened = max(scale, 1.0)
    support = _SUPPORT * widened
    inverse = 1.0 / widened
    most = 0
    shares = np.empty(weights.shape[1], np.float64)
    for i in range(first.shape[0]):
        centre = low + (i + skipped + 0.5) * scale
        start = max(int(centre - support + 0.5), 0)
        taps = min(int(centre + support + 0.5), old) - start
        total = 0.0
        for k in range(taps):
            x = abs((k + start - centre + 0.5) * inverse)
            share = 0.0
            if x < 1.0:
                share = (1.5 * x - 2.5) * x * x + 1
            elif x < 2.0:
                share = (((x - 5) * x + 8) * x - 4) * -0.5
            shares[k] = share
            total += share
        for k in range(taps):
            share = shares[k] / total if total != 0.0 else shares[k]
            weights[i, k] = int(share * (1 << WEIGHT_BITS) + (-0.5 if share < 0 else 0.5))
        for k in range(taps, weights.shape[1]):
            weights[i, k] = 0
        first[i] = start
        most = max(most, taps)
    return most


@cached(
    functools.partial(
        njit,
        void(uint8[:, ::1], int32[::1], int32[:, ::1], int64, int64, uint8[:, ::1]),
        nogil=True,
        boundscheck=False,
        error_model="numpy",
    )
)
def _weigh_rows(source, first, weights, taps, above, target):
    """target[y] = sum over k of source[first[y] - above + k] * weights[y, k], rounded and kept within a byte.

    taps: the most that a row has. The inner loops run along rows as they lie in memory, without a branch, which the compiler
    turns into wide instructions.
    """
    width = source.shape[1]
    last = source.shape[0] - 1
    sums = np.empty(width, np.int32)
    for y in range(target.shape[0]):
        low = first[y] - above
        for i in range(width):
            sums[i] = _HALF
        k = 0
        while k + 4 < taps:
            w0, w1, w2 = weights[y, k], weights[y, k + 1], weights[y, k + 2]
            row0, row1, row2 = (
                source[min(low + k, last)],
                source[min(low + k + 1, last)],
                source[min(low + k + 2, last)],
            )
            for i in range(width):
                sums[i] += w0 * int32(row0[i]) + w1 * int32(row1[i]) + w2 * int32(row2[i])
            k += 3
        w0, w1, w2, w3 = weights[y, k], weights[y, k + 1], weights[y, k + 2], weights[y, k + 3]
        row0, row1 = source[min(low + k, last)], source[min(low + k + 1, last)]
        row2, row3 = source[min(low + k + 2, last)], source[min(low + k + 3, last)]
        row = target[y]
        for i in range(width):
            total = sums[i] + w0 * int32(row0[i]) + w1 * int32(row1[i]) + w2 * int32(row2[i]) + w3 * int32(row3[i])
            row[i] = min(max(total >> WEIGHT_BITS, 0), 255)


@cached(functools.partial(njit, int64(int64), nogil=True))
def _to_8(count):
    return (count + 7) // 8 * 8


@cached(
    functools.partial(
        njit,
        void(uint8[:, :, ::1], float64[::1], int64[::1], uint8[:, :, ::1], uint8),
        nogil=True,
        boundscheck=False,
        error_model="numpy",
    )
)
def resample(source, box, place, target, mirrored):
    """A box of an image, resized; of the resized image, the window that `target` is.

    source: (H, W, 3). box: left, top, right, bottom in pixels of the source, fractions allowed. place: width and height of the
    resized box, then left and top of the window in it. target: (h, w, 3). mirrored: 1 turns left to right.
    """
    H, W = source.shape[0], source.shape[1]
    h, w = target.shape[0], target.shape[1]
    most_x = int(np.ceil(_SUPPORT * max((box[2] - box[0]) / place[0], 1.0))) * 2 + 5
    most_y = int(np.ceil(_SUPPORT * max((box[3] - box[1]) / place[1], 1.0))) * 2 + 5
    first_x, weights_x = np.empty(w, np.int32), np.empty((w, most_x), np.int32)
    first_y, weights_y = np.empty(h, np.int32), np.empty((h, most_y), np.int32)
    taps_x = cubic_weights(box[0], box[2], W, place[0], place[2], first_x, weights_x)
    taps_y = cubic_weights(box[1], box[3], H, place[1], place[3], first_y, weights_y)
    left, right = first_x[0], min(first_x[w - 1] + taps_x, W)
    top, bottom = first_y[0], min(first_y[h - 1] + taps_y, H)
    if mirrored:
        first_x = first_x[::-1].copy()
        weights_x = weights_x[::-1].copy()
    wide, high = right - left, bottom - top
    # the needed part, its rows filled up to eights, so that it can be turned
    rows = np.empty((_to_8(high), _to_8(3 * wide)), np.uint8)
    flat = source.reshape(H, 3 * W)
    for y in range(high):
        rows[y, : 3 * wide] = flat[top + y, 3 * left : 3 * right]
    height_first = H - place[1] > 2 * max(W - place[0], 0)
    if height_first:
        short = np.empty((_to_8(h), rows.shape[1]), np.uint8)
        _weigh_rows(rows[:high], first_y, weights_y, taps_y, top, short[:h])
        rows = short
    columns = np.empty((rows.shape[1], rows.shape[0]), np.uint8)
    transpose_bytes(rows.view(np.uint64), columns.view(np.uint64))
    # three rows, one a colour, make one column of the image: one row of three times the length
    length = 3 * rows.shape[0]
    narrow = np.empty((_to_8(3 * w), rows.shape[0]), np.uint8)
    _weigh_rows(
        columns[: 3 * wide].reshape(wide, length), first_x, weights_x, taps_x, left, narrow[: 3 * w].reshape(w, length)
    )
    rows = np.empty((narrow.shape[1], narrow.shape[0]), np.uint8)
    transpose_bytes(narrow.view(np.uint64), rows.view(np.uint64))
    if height_first:
        target.reshape(h, 3 * w)[:, :] = rows[:h, : 3 * w]
    elif rows.shape[1] == 3 * w:
        _weigh_rows(rows[:high], first_y, weights_y, taps_y, top, target.reshape(h, 3 * w))
    else:
        short = np.empty((h, rows.shape[1]), np.uint8)
        _weigh_rows(rows[:high], first_y, weights_y, taps_y, top, short)
        target.reshape(h, 3 * w)[:, :] = short[:, : 3 * w]


@cached(functools.partial(njit, void(uint8[:, :, ::1], float64, float64), nogil=True, boundscheck=False))
def jitter_colours(image, contrast, brightness):
    """Stretches the values around their mean by 1 + contrast and adds `brightness` (in values of 0 to 255), in place."""
    flat = image.reshape(image.size)
    total = 0
    for i in range(flat.size):
        total += flat[i]
    centre = total / flat.size
    turned = np.empty(256, np.uint8)
    for value in range(256):
        turned[value] = int(min(max((value - centre) * (1 + contrast) + centre + brightness + 0.5, 0.0), 255.0))
    for i in range(flat.size):
        flat[i] = turned[flat[i]]


@cached(functools.partial(njit, void(uint8[:, :, ::1], float64), nogil=True, boundscheck=False))
def saturate_colours(image, saturation):
    """Moves each colour away from the pixel's grey, the mean of the three, by the factor `saturation`, in place; 0 is grey."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            grey = (int32(image[y, x, 0]) + int32(image[y, x, 1]) + int32(image[y, x, 2])) / 3
            for colour in range(3):
                value = grey + (image[y, x, colour] - grey) * saturation
                image[y, x, colour] = int(min(max(value + 0.5, 0.0), 255.0))
