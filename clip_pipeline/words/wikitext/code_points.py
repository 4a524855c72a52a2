"""Code points of a UTF-8 text, read, written and looked up by compiled code; what compiles it.

Text is UTF-8 here, one byte a cell of a uint8 array, and valid: who writes such an array has checked it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

kernel: Any = functools.partial(njit, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""What compiles a function that only compiled ones call: without the wrappers for callers in Python or C, and without
arrays of its own.

The loops that copy plain letters index by np.uint64: an index that may be negative is checked at each byte, which took
half of the time (9.2 ms of CPU a MB of XML, 5.4 without, 2026-11-21).
"""


@kernel
def code_point_at(text, i):
    """The code point at byte i, where a character of two bytes or more begins, and the bytes that it has."""
    first = np.int64(text[i])
    if first < 0xE0:
        return (first & 0x1F) << 6 | (np.int64(text[i + 1]) & 0x3F), 2
    second = np.int64(text[i + 1]) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | (np.int64(text[i + 2]) & 0x3F), 3
    third = np.int64(text[i + 2]) & 0x3F
    return (first & 0x07) << 18 | second << 12 | third << 6 | (np.int64(text[i + 3]) & 0x3F), 4


@kernel
def write_code_point(text, w, code):
    """Writes a character as UTF-8 at byte w; returns the byte after it."""
    if code < 0x80:
        text[w] = code
        return w + 1
    if code < 0x800:
        text[w] = 0xC0 | code >> 6
        text[w + 1] = 0x80 | code & 0x3F
        return w + 2
    if code < 0x10000:
        text[w] = 0xE0 | code >> 12
        text[w + 1] = 0x80 | code >> 6 & 0x3F
        text[w + 2] = 0x80 | code & 0x3F
        return w + 3
    text[w] = 0xF0 | code >> 18
    text[w + 1] = 0x80 | code >> 12 & 0x3F
    text[w + 2] = 0x80 | code >> 6 & 0x3F
    text[w + 3] = 0x80 | code & 0x3F
    return w + 4


@kernel
def place_in(keys, wanted):
    """The place of `wanted` in sorted keys, -1 where it is none of them."""
    low, high = 0, keys.size
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < keys.size and keys[low] == wanted else -1
