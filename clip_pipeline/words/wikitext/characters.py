"""What each character is, as tables that compiled code reads by code point, made from Python's own `str`; what it becomes inside a word.

Text is UTF-8 here, one byte a cell of a uint8 array, and valid: who writes such an array has checked it.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import NamedTuple

import numpy as np

from clip_pipeline.text.word_boundaries import ABOVE, combining_marks, keeps_joiners, unseen_characters
from clip_pipeline.words.wikitext.code_points import code_point_at, kernel
from clip_pipeline.words.wikitext.normal_form import composing_characters

WORD, LETTER, CAPITAL, SPACE, DIGIT, MARK, JOINS, COMPOSES, UNSEEN = 1, 2, 4, 8, 16, 32, 64, 128, 256
"""Bits of `Characters.flags`: str.isalnum, isalpha, isupper or istitle, isspace, isdecimal, marks that go on a word but
begin none, letters and marks between which a joiner is part of a word, characters that NFC may change together with others,
and those that vanish from words. The underscore is no WORD."""
GERSHAYIM, MIDDLE_DOT, ANO_TELEIA = 0x5F4, 0xB7, 0x387
"""The last one is a middle dot in NFC."""
LAST_CASED = 0x20000
"""No letter above has a lower case (checked when the table is made)."""


class Characters(NamedTuple):
    """flags: uint16 a code point. lower: the lower case of each code point below LAST_CASED, as a code point."""

    flags: np.ndarray
    lower: np.ndarray


@functools.cache
def character_tables() -> Characters:
    """The tables, made once in a process (about 60 ms, 2026-11-21)."""
    flags = np.zeros(sys.maxunicode + 1, np.uint16)
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
    flags[[ord(character) for character in unseen_characters()]] = UNSEEN
    flags[composing_characters()] |= COMPOSES
    flags[[code for code in np.flatnonzero(flags & (WORD | MARK)) if keeps_joiners(chr(code))]] |= JOINS
    return Characters(flags, lower)


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


@kernel
def is_joiner_at(text, i):
    """Whether U+200C or U+200D begins at byte i."""
    return text[i] == 0xE2 and text[i + 1] == 0x80 and text[i + 2] & 0xFE == 0x8C


@kernel
def code_after(text, i, n, flags):
    """The next character from byte i on that does not vanish, 0 where there is none. For what follows a sign or a joiner, after which
    joiners vanish too."""
    while i < n:
        if text[i] < 128:
            return np.int64(text[i])
        code, size = code_point_at(text, i)
        if flags[code] != UNSEEN and code != 0x200C and code != 0x200D:
            return code
        i += size
    return np.int64(0)


@kernel
def is_word_at(text, i, n, flags):
    if i < n and text[i] < 128:
        return flags[text[i]] & WORD != 0
    return flags[code_after(text, i, n, flags)] & WORD != 0


@kernel
def last_code(token, length):
    """The character that ends at byte `length` of a word."""
    place = length - 1
    while token[place] & 0xC0 == 0x80:
        place -= 1
    return np.int64(token[place]) if token[place] < 128 else code_point_at(token, place)[0]


@kernel
def last_letter(token, length, flags):
    """The last character of a word that is no mark, 0 where there is none."""
    code = np.int64(0)
    while length > 0:
        code = last_code(token, length)
        if not flags[code] & MARK:
            return code
        length -= 1
        while length > 0 and token[length] & 0xC0 == 0x80:
            length -= 1
    return np.int64(0)


@kernel
def ends_in_i(token, length, classes):
    """Whether a word ends in a small i, with marks that stand nowhere above it (classes: combining classes by code point): where a dot
    above it follows, it is the same letter."""
    while length > 0:
        code = last_code(token, length)
        if code >= classes.size or classes[code] == 0 or classes[code] == ABOVE:
            return code == 0x69 or code == 0x12F or code == 0x1E2D or code == 0x1ECB
        length -= 1
        while length > 0 and token[length] & 0xC0 == 0x80:
            length -= 1
    return False


@kernel
def _is_hebrew(code):
    return 0x5D0 <= code <= 0x5EA or 0xFB1D <= code <= 0xFB4E


@kernel
def _is_latin(code, flags):
    latin = (
        code < 0x250 or 0x1E00 <= code < 0x1F00 or code == 0x212A or code == 0x212B
    )  # and the signs of kelvin and angstrom
    return latin and flags[code] & LETTER != 0 and code != 0xAA and code != 0xBA


@kernel
def is_cyrillic(code):
    return 0x400 <= code < 0x482 or 0x48A <= code < 0x530


@kernel
def joins_words(text, i, n, code, token, length, flags):
    """What the character whose next one is at i becomes inside the word token[:length]: see `tokens.py`.

    0 where it vanishes, -1 where the word ends before it.
    """
    if code == 0x200C or code == 0x200D:  # joiners
        after = code_after(text, i, n, flags)
        last = last_code(token, length)
        if last == 0x200C or last == 0x200D or not flags[after] & JOINS or not flags[last] & JOINS:
            return np.int64(0)
        return code
    if code == 0x2019 or code == 0x2018 or code == 0xFF07 or code == 0x5F3:
        return np.int64(39) if is_word_at(text, i, n, flags) else np.int64(-1)
    if code == 0x2010 or code == 0x2011:
        return np.int64(45) if is_word_at(text, i, n, flags) else np.int64(-1)
    if code == GERSHAYIM or code == 0x201C or code == 0x201D or code == 34:
        if _is_hebrew(last_letter(token, length, flags)) and _is_hebrew(code_after(text, i, n, flags)):
            return np.int64(GERSHAYIM)
    elif (
        code in (MIDDLE_DOT, ANO_TELEIA)
        and _is_latin(last_letter(token, length, flags), flags)
        and _is_latin(code_after(text, i, n, flags), flags)
    ):
        return np.int64(MIDDLE_DOT)
    return np.int64(-1)
