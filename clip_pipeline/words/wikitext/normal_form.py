# mypy: disable-error-code="assignment"
"""Unicode's form NFC of one word: compiled, from tables that are made of Python's own `unicodedata`.

Most words are in that form already: the counter asks only for those that hold a character which NFC may change
(`composing_characters`) or two marks after each other, whose order it may.
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.code_points import code_point_at, kernel, place_in, write_code_point

MOST_BYTES = 256
"""Longer words, which no language has, stay as they are."""
ROOM = 4 * MOST_BYTES
"""Code points that the parts of so long a word may have: none has more than four."""
_LAST_CLASS = 0x20000
"""No character above has a combining class but 0 (checked when the table is made)."""
_HANGUL, _LEADS, _VOWELS, _TAILS = 0xAC00, 0x1100, 0x1161, 0x11A7


class NormalForm(NamedTuple):
    """classes: uint8, the combining class by code point. keys: int32, sorted, the characters that have parts; starts: int32,
    where the parts of each begin in `parts`, and their end. pairs: int64, sorted, two characters as first << 21 | second, and
    composed: int32, what they make."""

    classes: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    parts: np.ndarray
    pairs: np.ndarray
    composed: np.ndarray


@functools.cache
def normal_form() -> NormalForm:
    """The tables (about 100 ms, once in a process). Hangul syllables are reckoned instead."""
    classes = np.zeros(_LAST_CLASS, np.uint8)
    keys: list[int] = []
    starts, parts = [0], list[int]()
    pairs: dict[int, int] = {}
    for code in range(0xC0, sys.maxunicode + 1):
        character = chr(code)
        combining = unicodedata.combining(character)
        if combining:
            classes[code] = combining
        mapping = unicodedata.decomposition(character)
        if not mapping or mapping.startswith("<") or _HANGUL <= code < 0xD7A4:
            continue
        keys.append(code)
        parts += map(ord, unicodedata.normalize("NFD", character))
        starts.append(len(parts))
        both = [int(one, 16) for one in mapping.split()]
        if len(both) == 2 and unicodedata.normalize("NFC", character) == character:
            pairs[both[0] << 21 | both[1]] = code
    order = sorted(pairs)
    return NormalForm(
        classes,
        np.array(keys, np.int32),
        np.array(starts, np.int32),
        np.array(parts, np.int32),
        np.array(order, np.int64),
        np.array([pairs[one] for one in order], np.int32),
    )


@functools.cache
def composing_characters() -> np.ndarray:
    """Code points that NFC changes, or may join to the one before."""
    tables = normal_form()
    changed = [code for code in tables.keys.tolist() if unicodedata.normalize("NFC", chr(code)) != chr(code)]
    seconds = (tables.pairs & 0x1FFFFF).tolist()
    return np.array(sorted({*changed, *seconds, *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}), np.int64)


@kernel
def _class_of(classes, code):
    return classes[code] if code < classes.size else np.uint8(0)


@kernel
def _compose(tables, first, second):
    """The character that two make, 0 where they make none."""
    if _LEADS <= first < _LEADS + 19 and _VOWELS <= second < _VOWELS + 21:
        return _HANGUL + ((first - _LEADS) * 21 + second - _VOWELS) * 28
    if _HANGUL <= first < 0xD7A4 and (first - _HANGUL) % 28 == 0 and _TAILS < second < _TAILS + 28:
        return first + second - _TAILS
    place = place_in(tables.pairs, first << 21 | second)
    return np.int64(tables.composed[place]) if place >= 0 else 0


@kernel
def _decompose(token, length, tables, codes):
    """Writes the parts of the word's characters to `codes`, marks in their canonical order; returns how many."""
    size = 0
    i = 0
    while i < length:
        if token[i] < 128:
            code, width = np.int64(token[i]), 1
        else:
            code, width = code_point_at(token, i)
        i += width
        place = place_in(tables.keys, code)
        first = tables.starts[place] if place >= 0 else 0
        last = tables.starts[place + 1] if place >= 0 else 1
        for j in range(first, last):
            part = np.int64(tables.parts[j]) if place >= 0 else code
            level = _class_of(tables.classes, part)
            k = size
            while level > 0 and k > 0 and _class_of(tables.classes, np.int64(codes[k - 1])) > level:
                codes[k] = codes[k - 1]
                k -= 1
            codes[k] = part
            size += 1
    return size


@kernel
def normalize(token, length, tables, codes):
    """Turns the word token[:length], at most MOST_BYTES, to NFC in place. codes: int32, ROOM cells. Returns its new length."""
    size = _decompose(token, length, tables, codes)
    starter = -1
    before = 0
    w = 0
    for j in range(size):
        code = np.int64(codes[j])
        level = np.int64(_class_of(tables.classes, code))
        if starter >= 0 and (before < level or w == starter + 1):
            made = _compose(tables, np.int64(codes[starter]), code)
            if made:
                codes[starter] = made
                continue
        if level == 0:
            starter = w
        before = level
        codes[w] = code
        w += 1
    length = np.int64(0)
    for j in range(w):
        length = write_code_point(token, length, np.int64(codes[j]))
    return length
