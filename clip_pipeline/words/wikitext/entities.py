# mypy: disable-error-code="assignment"
"""HTML's character references (&nbsp; &#8211; &eacute;), as `html.unescape` reads them.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

import functools
import html.entities
from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.code_points import kernel, write_code_point

MAX_NAME = 32
_HASH_FACTOR = np.uint64(0x100000001B3)
_HASH_START = np.uint64(0xCBF29CE484222325)

# How browsers read the code points 128 to 159, which Windows-1252 once stood behind (HTML Standard, 13.2.5.80).
_WINDOWS_1252 = np.array(
    [0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152, 0x8D, 0x17D, 0x8F,
     0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122, 0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178],
    np.int64,
)  # fmt: skip


class Entities(NamedTuple):
    """A hash table of names. hashes: uint64 a slot, 0 where free. codes: int32 (slots, 2), the character or the two."""

    hashes: np.ndarray
    codes: np.ndarray


def _hash(name: str) -> int:
    value = int(_HASH_START)
    for byte in name.encode("ascii"):
        value = (value ^ byte) * int(_HASH_FACTOR) & (1 << 64) - 1
    return value


@functools.cache
def entity_table() -> Entities:
    """All names that HTML 5 knows, "amp" and "amp;" among them (about 10 ms).

    Names are known by a 64-bit hash: no two known ones share one, and an unknown name has one of theirs by chance in
    10^16 cases.
    """
    names = {_hash(name): text for name, text in html.entities.html5.items()}
    slots = 8192
    hashes, codes = np.zeros(slots, np.uint64), np.zeros((slots, 2), np.int32)
    for value, text in names.items():
        slot = value >> 20 & slots - 1
        while hashes[slot]:
            slot = slot + 1 & slots - 1
        hashes[slot] = value
        codes[slot, : len(text)] = [ord(character) for character in text]
    return Entities(hashes, codes)


@kernel
def _find_entity(entities, value):
    mask = entities.hashes.size - 1
    slot = np.int64(value >> np.uint64(20)) & mask
    while entities.hashes[slot]:
        if entities.hashes[slot] == value:
            return slot
        slot = slot + 1 & mask
    return -1


@kernel
def _number(text, i, n):
    """The code point of the reference "#..." at i, -1 where there is none, -2 where it shows nothing; the byte after it."""
    j = i + 1
    base = 10
    if text[j] | 32 == 120:
        base = 16
        j += 1
    first = j
    code = 0
    while j < n:
        c = np.int64(text[j])
        if 48 <= c <= 57:
            digit = c - 48
        elif base == 16 and 97 <= c | 32 <= 102:
            digit = (c | 32) - 87
        else:
            break
        code = min(code * base + digit, 0x110000)
        j += 1
    if j == first:
        return -1, i
    if text[j] == 59 and j < n:
        j += 1
    if 0x80 <= code <= 0x9F:
        return _WINDOWS_1252[code - 0x80], j
    if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return 0xFFFD, j
    if code < 32 and code != 9 and code != 10 and code != 12 and code != 13:
        return -2, j
    if code == 0x7F or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE:
        return -2, j
    return code, j


@kernel
def _reference_at(text, i, n, entities):
    """The one or two code points that the "&" at i begins (0 for no second), and the byte after the reference.

    -1 where there is none, -2 where it shows nothing.
    """
    if i + 1 < n and text[i + 1] == 35:
        code, end = _number(text, i + 1, n)
        return code, 0, end
    value = _HASH_START
    j = i + 1
    found, found_end = -1, i
    while j < n and j - i <= MAX_NAME:
        c = text[j]
        if c == 59:
            slot = _find_entity(entities, (value ^ np.uint64(c)) * _HASH_FACTOR)
            if slot >= 0:
                found, found_end = slot, j + 1
            break
        if not (97 <= c <= 122 or 65 <= c <= 90 or 48 <= c <= 57):
            break
        value = (value ^ np.uint64(c)) * _HASH_FACTOR
        j += 1
        if j - i > 2:
            # The longest name without a semicolon wins: &ampere is & and "ere".
            slot = _find_entity(entities, value)
            if slot >= 0:
                found, found_end = slot, j
    if found < 0:
        return -1, 0, i
    return np.int64(entities.codes[found, 0]), np.int64(entities.codes[found, 1]), found_end


@kernel
def write_reference(text, i, n, out, w, entities):
    """Writes to out[w:] what the "&" at i of text[:n] stands for. Returns the bytes after it in text and in out.

    Decodes twice, &amp;nbsp; to a blank: editors and bots write that often enough to make "nbsp" and "amp" frequent
    words. The no-break space becomes a blank, the soft hyphen vanishes.
    """
    code, second, end = _reference_at(text, i, n, entities)
    if code == 38:
        # The semicolon of "&amp;" may stand for the "&" that would begin a further reference.
        again, again_second, again_end = _again(text, end, n, entities)
        if again != -1:
            code, second, end = again, again_second, again_end
    if code == -1:
        out[w] = 38
        return i + 1, w + 1
    if code == 0xA0:
        code = 32
    if code == -2 or code == 0xAD:
        return end, w
    w = write_code_point(out, w, code)
    if second:
        w = write_code_point(out, w, second)
    return end, w


@kernel
def _again(text, end, n, entities):
    kept = text[end - 1]
    text[end - 1] = 38
    code, second, after = _reference_at(text, end - 1, n, entities)
    text[end - 1] = kept
    return code, second, after
