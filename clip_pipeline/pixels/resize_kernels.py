"""The inner loops of cropping and resizing, compiled once a machine: numba keeps the machine code beside the source.

Pillow's arithmetic: weights of 22 bits, the width first, rounded to bytes, then the height. All of it is on whole numbers, so
every machine gives the same bytes, and the lock of the interpreter is free meanwhile. Imported inside functions: numba takes
a third of a second.
"""

from __future__ import annotations

import functools

import numpy as np
from numba import float32, float64, int32, int64, njit, uint8, uint64, void

from clip_pipeline.machine.numba_cache import cached

WEIGHT_BITS = 22
_HALF = 1 << (WEIGHT_BITS - 1)
_ONE = 1 << WEIGHT_BITS

SHARD_BITS = 14
"""Of those 22 bits, how many a weight uses where photos are made smaller for shards: shards keep the bytes they always had."""

_COARSE = 1 << (WEIGHT_BITS - SHARD_BITS)
_SUPPORT = 2.0
"""Half the width of the cubic, in pixels of the smaller image."""

_loops = functools.partial(njit, nogil=True, boundscheck=False, error_model="numpy")


@cached(
    functools.partial(
        njit,
        int64(float64, float64, int64, int64, int64, uint8, int32[::1], int32[:, ::1]),
        nogil=True,
        error_model="numpy",
    )
)
def cubic_weights(low, high, old, new, skipped, coarse, first, weights):
    """Weights of the cubic filter (Keys 1981, a = -0.5) from `low`..`high` of `old` pixels to `new` ones.

    Only the new pixels from `skipped` on are wanted, as many as `first` has. coarse: 1 rounds them to SHARD_BITS bits and
    makes those of a pixel add up to exactly one. first: the first old pixel of each. weights: in units of 2 ** -WEIGHT_BITS,
    zeros behind the last. The filter is widened where it shrinks, so that no detail is skipped. Returns the most taps that any
    new pixel has.
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
        for k in range(taps):
            x = abs((k + start - centre + 0.5) * inverse)
            near = (1.5 * x - 2.5) * x * x + 1
            far = (((x - 5) * x + 8) * x - 4) * -0.5
            shares[k] = near if x < 1.0 else far if x < 2.0 else 0.0
        total = 0.0
        for k in range(taps):
            total += shares[k]
        if total == 0.0:
            total = 1.0
        if coarse:
            largest, rest = 0, _ONE
            for k in range(taps):
                weights[i, k] = int(np.rint(shares[k] / total * (1 << SHARD_BITS))) * _COARSE
                rest -= weights[i, k]
                if weights[i, k] > weights[i, largest]:
                    largest = k
            weights[i, largest] += rest
        else:
            for k in range(taps):
                share = shares[k] / total
                weights[i, k] = int(share * _ONE + (-0.5 if share < 0 else 0.5))
        for k in range(taps, weights.shape[1]):
            weights[i, k] = 0
        first[i] = start
        most = max(most, taps)
    return most


@cached(functools.partial(_loops, void(uint8[:, ::1], int32[::1], int32[:, ::1], int64, int64, uint8[:, ::1])))
def weigh_rows(source, first, weights, taps, above, target):
    """target[y] = sum over k of source[first[y] - above + k] * weights[y, k], rounded and kept within a byte.

    taps: the most that a row has. Of rows of different lengths the shorter says how much is wanted. The inner loops run along
    rows as they lie in memory, without a branch, which the compiler turns into wide instructions.
    """
    width = min(source.shape[1], target.shape[1])
    last = source.shape[0] - 1
    sums = np.empty(width, np.int32)
    for y in range(target.shape[0]):
        low = first[y] - above
        for i in range(width):
            sums[i] = _HALF
        k = 0
        while taps - k >= 8:
            w0, w1, w2, w3 = weights[y, k], weights[y, k + 1], weights[y, k + 2], weights[y, k + 3]
            row0, row1 = source[min(low + k, last)], source[min(low + k + 1, last)]
            row2, row3 = source[min(low + k + 2, last)], source[min(low + k + 3, last)]
            for i in range(width):
                sums[i] += w0 * int32(row0[i]) + w1 * int32(row1[i]) + w2 * int32(row2[i]) + w3 * int32(row3[i])
            k += 4
        if taps - k > 4:
            w0, w1, w2 = weights[y, k], weights[y, k + 1], weights[y, k + 2]
            row0, row1 = source[min(low + k, last)], source[min(low + k + 1, last)]
            row2 = source[min(low + k + 2, last)]
            for i in range(width):
                sums[i] += w0 * int32(row0[i]) + w1 * int32(row1[i]) + w2 * int32(row2[i])
            k += 3
        w0, w1, w2, w3 = weights[y, k], weights[y, k + 1], weights[y, k + 2], weights[y, k + 3]
        row0, row1 = source[min(low + k, last)], source[min(low + k + 1, last)]
        row2, row3 = source[min(low + k + 2, last)], source[min(low + k + 3, last)]
        row = target[y]
        for i in range(width):
            total = sums[i] + w0 * int32(row0[i]) + w1 * int32(row1[i]) + w2 * int32(row2[i]) + w3 * int32(row3[i])
            row[i] = min(max(int32(total) >> WEIGHT_BITS, 0), 255)


@cached(functools.partial(_loops, void(uint64[:, ::1], uint64[:, ::1])))
def transpose_bytes(source, target):
    """Transposes a matrix of bytes, both sides multiples of 8, given and taken as rows of 8-byte words.

    source: (rows, columns / 8), target: (columns, rows / 8). Blocks of 8 x 8 bytes are turned within eight words by swapping
    halves, pairs and bytes (Hacker's Delight, section 7-3): 0.07 ms for 256 x 1,920, where a loop over bytes takes 0.36.
    """
    halves, pairs, singles = uint64(0xFFFFFFFF), uint64(0x0000FFFF0000FFFF), uint64(0x00FF00FF00FF00FF)
    by32, by16, by8 = uint64(32), uint64(16), uint64(8)
    for y in range(source.shape[0] // 8):
        for x in range(source.shape[1]):
            a, b, c, d = source[8 * y, x], source[8 * y + 1, x], source[8 * y + 2, x], source[8 * y + 3, x]
            e, f, g, h = source[8 * y + 4, x], source[8 * y + 5, x], source[8 * y + 6, x], source[8 * y + 7, x]
            s = ((a >> by32) ^ e) & halves
            a, e = a ^ (s << by32), e ^ s
            s = ((b >> by32) ^ f) & halves
            b, f = b ^ (s << by32), f ^ s
            s = ((c >> by32) ^ g) & halves
            c, g = c ^ (s << by32), g ^ s
            s = ((d >> by32) ^ h) & halves
            d, h = d ^ (s << by32), h ^ s
            s = ((a >> by16) ^ c) & pairs
            a, c = a ^ (s << by16), c ^ s
            s = ((b >> by16) ^ d) & pairs
            b, d = b ^ (s << by16), d ^ s
            s = ((e >> by16) ^ g) & pairs
            e, g = e ^ (s << by16), g ^ s
            s = ((f >> by16) ^ h) & pairs
            f, h = f ^ (s << by16), h ^ s
            s = ((a >> by8) ^ b) & singles
            a, b = a ^ (s << by8), b ^ s
            s = ((c >> by8) ^ d) & singles
            c, d = c ^ (s << by8), d ^ s
            s = ((e >> by8) ^ f) & singles
            e, f = e ^ (s << by8), f ^ s
            s = ((g >> by8) ^ h) & singles
            g, h = g ^ (s << by8), h ^ s
            row = 8 * x
            target[row, y], target[row + 1, y], target[row + 2, y], target[row + 3, y] = a, b, c, d
            target[row + 4, y], target[row + 5, y], target[row + 6, y], target[row + 7, y] = e, f, g, h


@cached(functools.partial(njit, int64(int64), nogil=True))
def _to_8(count):
    return (count + 7) // 8 * 8


@cached(functools.partial(_loops, void(uint8[:, :, ::1], float64[::1], int64[::1], uint8[:, :, ::1], uint8, uint8)))
def resample(source, box, place, target, mirrored, for_shards):
    """A box of an image, resized; of the resized image, the window that `target` is.

    source: (H, W, 3). box: left, top, right, bottom in pixels of the source, fractions allowed. place: width and height of the
    resized box, then left and top of the window in it. target: (h, w, 3). mirrored: 1 turns left to right. for_shards: 0 gives
    Pillow's bytes; 1 those of stored photos, which take the height first and weights of SHARD_BITS.
    """
    H, W = source.shape[0], source.shape[1]
    h, w = target.shape[0], target.shape[1]
    max_x = int(np.ceil(_SUPPORT * max((box[2] - box[0]) / place[0], 1.0))) * 2 + 5
    max_y = int(np.ceil(_SUPPORT * max((box[3] - box[1]) / place[1], 1.0))) * 2 + 5
    first_x, weights_x = np.empty(w, np.int32), np.empty((w, max_x), np.int32)
    first_y, weights_y = np.empty(h, np.int32), np.empty((h, max_y), np.int32)
    taps_x = cubic_weights(box[0], box[2], W, place[0], place[2], for_shards, first_x, weights_x)
    taps_y = cubic_weights(box[1], box[3], H, place[1], place[3], for_shards, first_y, weights_y)
    left, right = first_x[0], min(first_x[w - 1] + taps_x, W)
    top, bottom = first_y[0], min(first_y[h - 1] + taps_y, H)
    if mirrored:
        first_x = first_x[::-1].copy()
        weights_x = weights_x[::-1].copy()
    wide, high = right - left, bottom - top
    flat = source.reshape(H, 3 * W)
    height_first = for_shards or H - place[1] > 2 * max(W - place[0], 0)
    # the needed part, its rows filled up to eights, so that it can be turned
    rows = np.empty((_to_8(h if height_first else high), _to_8(3 * wide)), np.uint8)
    if height_first and wide == W:
        weigh_rows(flat[top:bottom], first_y, weights_y, taps_y, top, rows[:h])
    else:
        part = np.empty((high, 3 * wide), np.uint8) if height_first else rows
        for y in range(high):
            part[y, : 3 * wide] = flat[top + y, 3 * left : 3 * right]
        if height_first:
            weigh_rows(part, first_y, weights_y, taps_y, top, rows[:h])
    columns = np.empty((rows.shape[1], rows.shape[0]), np.uint8)
    transpose_bytes(rows.view(np.uint64), columns.view(np.uint64))
    # three rows, one a colour, make one column of the image: one row of three times the length
    length = 3 * rows.shape[0]
    narrow = np.empty((_to_8(3 * w), rows.shape[0]), np.uint8)
    weigh_rows(
        columns[: 3 * wide].reshape(wide, length), first_x, weights_x, taps_x, left, narrow[: 3 * w].reshape(w, length)
    )
    rows = np.empty((narrow.shape[1], narrow.shape[0]), np.uint8)
    transpose_bytes(narrow.view(np.uint64), rows.view(np.uint64))
    if height_first:
        target.reshape(h, 3 * w)[:, :] = rows[:h, : 3 * w]
    else:
        weigh_rows(rows[:high], first_y, weights_y, taps_y, top, target.reshape(h, 3 * w))
