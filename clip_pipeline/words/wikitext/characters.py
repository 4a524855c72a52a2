"""What each character is, as tables that compiled code reads by code point; they are made from Python's own `str`.

Text is UTF-8 here, one byte a cell of a uint8 array, and valid: who writes such an array has checked it.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from clip_pipeline.words.tokens import combining_marks

WORD, LETTER, CAPITAL, SPACE, DIGIT, MARK = 1, 2, 4, 8, 16, 32
"""Bits of `Characters.flags`: str.isalnum, isalpha, isupper or istitle, isspace, isdecimal, and marks that go on a word but
begin none. The underscore is no WORD."""
LAST_CASED = 0x20000
"""No letter above has a lower case (checked when the table is made)."""

kernel: Any = functools.partial(njit, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""What compiles a function that only compiled ones call: without the wrappers for callers in Python or C, and without
arrays of its own.

The loops that copy plain letters index by np.uint64: an index that may be negative is checked at each byte, which took
half of the time (9.2 ms of CPU a MB of XML, 5.4 without, 2026-11-21).
"""


class Characters(NamedTuple):
    """flags: uint8 a code point. lower: the lower case of each code point below LAST_CASED, as a code point."""

    flags: np.ndarray
    lower: np.ndarray


@functools.cache
def character_tables() -> Characters:
    """The tables, made once in a process (about 60 ms, 2026-11-21)."""
    flags = np.zeros(sys.maxunicode + 1, np.uint8)
    lower = np.arange(LAST_CASED, dtype=np.int32)
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x32400), *range(0xE0000, 0xE0200))))
    for match in re.finditer(r"[^\W_]+", everything):
        for character in match.group():
            code = ord(character)
            flag = WORD
            if character.isalpha():
                flag |= LETTER
                small = character.lower()
                if small != character:
                    # One letter, İ, has two characters for a lower case: i and a dot above it, which is no part of a word.
                    lower[code] = ord(small[0])
                if character.isupper() or character.istitle():
                    flag |= CAPITAL
            elif character.isdecimal():
                flag |= DIGIT
            flags[code] = flag
    for match in re.finditer(r"\s", everything):
        flags[ord(match.group())] |= SPACE
    flags[[ord(mark) for mark in combining_marks()]] |= MARK
    return Characters(flags, lower)


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
def flags_at(text, i, flags):
    """The flags of the character at byte i, and the bytes that it has."""
    first = text[i]
    if first < 0x80:
        return flags[first], 1
    code, size = code_point_at(text, i)
    return flags[code], size


@kernel
def skip_space(text, i, n, flags):
    """The first byte from i on, before n, that is no white space of any kind."""
    while i < n:
        flag, size = flags_at(text, i, flags)
        if not flag & SPACE:
            break
        i += size
    return i


@kernel
def short_name_at(text, i):
    """A name of ASCII letters and digits at byte i, in lower case, packed into two uint64 (0, 0 where none or over 16).

    Returns both and the byte after the name.
    """
    first, second = np.uint64(0), np.uint64(0)
    start = i
    while True:
        c = np.int64(text[i])
        if 65 <= c <= 90:
            c += 32
        elif not (97 <= c <= 122 or 48 <= c <= 57):
            break
        size = i - start
        if size < 8:
            first |= np.uint64(c) << np.uint64(8 * size)
        elif size < 16:
            second |= np.uint64(c) << np.uint64(8 * (size - 8))
        else:
            first, second = np.uint64(0), np.uint64(0)
            break
        i += 1
    return first, second, i


def pack_name(name: str) -> tuple[int, int]:
    """What `short_name_at` returns for the name."""
    data = name.encode("ascii").ljust(16, b"\0")
    return int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little")


@kernel(inline="always")
def copy_until(text, i, out, w, stops):
    """Copies text[i:] to out[w:] up to the first byte of `stops`; the places after both, and that byte. 0 must be one of them.

    out may be the text itself, where w is not beyond i.
    """
    c = text[np.uint64(i)]
    while not stops[c]:
        out[np.uint64(w)] = c
        w += 1
        i += 1
        c = text[np.uint64(i)]
    return i, w, c
