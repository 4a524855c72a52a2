# mypy: disable-error-code="assignment"
"""Names of a wiki in any script, and words, compared with text in upper or lower case: compiled.

Text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.characters import DIGIT
from clip_pipeline.words.wikitext.code_points import code_point_at, kernel, place_in

ANYTHING, NUMBER, BLANK = ord("$"), ord("#"), ord(" ")
"""Characters of a name that stand for others: for all that follows, for a number (or none), for blanks (or none)."""
MAX_SWITCH = 120
"""Bytes of the name of a switch."""
_HASH_FACTOR = np.uint64(0x100000001B3)
_HASH_START = np.uint64(0xCBF29CE484222325)


class NameList(NamedTuple):
    """codes: int32, the names' code points in lower case, blanks as 32, one after the other; ends: where each ends; kinds: a
    number for each."""

    codes: np.ndarray
    ends: np.ndarray
    kinds: np.ndarray


def make_name_list(names: dict[str, int]) -> NameList:
    """names: with the number of each, in any case, with blanks or underscores."""
    lowered = {lower_name(name): kind for name, kind in names.items() if name}
    codes = [ord(character) for name in lowered for character in name]
    ends = np.cumsum([len(name) for name in lowered])
    return NameList(np.array(codes, np.int32), ends.astype(np.int64), np.array([*lowered.values()], np.int64))


def lower_name(name: str) -> str:
    """As the scanner reads it: in lower case, İ an i, underscores blanks."""
    return name.replace("İ", "i").lower().replace("_", " ")


def make_name_hashes(names: Iterable[str]) -> np.ndarray:
    """uint64, sorted: a hash of each name. No two of the known ones share one; another has one of theirs once in 10^16 cases."""
    hashes = set()
    for name in names:
        value = int(_HASH_START)
        for character in lower_name(name):
            value = (value ^ ord(character)) * int(_HASH_FACTOR) & (1 << 64) - 1
        hashes.add(value)
    return np.array(sorted(hashes), np.uint64)


@kernel
def has_word(text, i, word):
    """Whether the ASCII word (lower case) stands at byte i, in upper or lower case."""
    for j in range(word.size):
        c = text[i + j]
        if c != word[j] and not (65 <= c <= 90 and c + 32 == word[j]):
            return False
    return True


@kernel
def lower_code_at(text, i, characters):
    """The character at byte i in lower case, an underscore as a blank, and the bytes that it has."""
    if text[i] < 128:
        code, size = np.int64(text[i]), 1
    else:
        code, size = code_point_at(text, i)
    if code == 95:
        code = np.int64(32)
    if code < characters.lower.size:
        code = np.int64(characters.lower[code])
    return code, size


@kernel
def name_end(text, i, end, codes, place, last, characters):
    """The byte after the name codes[place:last] where it stands at byte i of text[:end], otherwise -1."""
    while place < last and i < end:
        code, size = lower_code_at(text, i, characters)
        if code != codes[place]:
            break
        place += 1
        i += size
    return i if place == last else -1


@kernel
def _skip_number(text, i, end, flags):
    while i < end:
        c = text[i]
        if c < 128:
            if not (48 <= c <= 57 or c | 32 == 120 or c == 46 or c == 44 or c == 32 or 9 <= c <= 13):
                break
            i += 1
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & DIGIT:
                break
            i += size
    return i


@kernel
def is_named(text, i, end, codes, place, last, characters):
    """Whether text[i:end] is the name codes[place:last], in which ANYTHING, NUMBER and BLANK stand for others."""
    while place < last:
        wanted = codes[place]
        if wanted == ANYTHING:
            return True
        if wanted == NUMBER:
            i = _skip_number(text, i, end, characters.flags)
        else:
            if wanted == BLANK or wanted == 61:
                while i < end and (text[i] == 32 or text[i] == 95 or 9 <= text[i] <= 13):
                    i += 1
            if wanted != BLANK:
                if i >= end:
                    return False
                code, size = lower_code_at(text, i, characters)
                if code != wanted:
                    return False
                i += size
        place += 1
    return i == end


@kernel
def switch_end(text, i, n, hashes, characters):
    """The byte after the switch, such as __NOTOC__, that begins with the two underscores at i; -1 where none does."""
    value = _HASH_START
    j = i + 2
    while j < n and j - i < MAX_SWITCH:
        if text[j] == 95 and text[j + 1] == 95:
            return j + 2 if place_in(hashes, value) >= 0 else np.int64(-1)
        code, size = lower_code_at(text, j, characters)
        if code == 10:
            break
        value = (value ^ np.uint64(code)) * _HASH_FACTOR
        j += size
    return np.int64(-1)
