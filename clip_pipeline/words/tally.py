# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
# mypy: disable-error-code="assignment"
"""Words of a plain text, told apart and counted in a hash table: compiled.

A table is a set of arrays (`Table`) of fixed size; whoever calls sees to it that there is room (`table.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from clip_pipeline.words.characters import (
    CAPITAL,
    DIGIT,
    LETTER,
    SPACE,
    WORD,
    code_point_at,
    flags_at,
    write_code_point,
)
from clip_pipeline.words.links import CAPTION_BEGINS, CAPTION_ENDS

PLAIN, WORD_FREQUENCY = 0, 1
"""Rules of what a word is: see `tokens.py`."""

FIRST, SECOND, PLACE, COUNT, DOCUMENTS, LAST_DOCUMENT, CAPITALISED, PICTURED = range(8)
"""Columns of an entry: the word's first 16 bytes, its offset and size in the arena (offset << 28 | size), and numbers."""
SIZE_BITS = 28
ENTRIES, ARENA, ARTICLES, WORDS = range(4)
"""Cells of `Table.used`."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_2 = np.uint64(0xC2B2AE3D27D4EB4F)


class Table(NamedTuple):
    """slots: uint64, high half of the hash and number of the entry + 1, a power of two of them, 0 where free.
    entries: uint64 (entries, 8). arena: uint8, the bytes of all words. token: uint8, room for the longest word.
    used: int64, entries and arena bytes in use, articles and words counted so far. seed: of the hash."""

    slots: np.ndarray
    entries: np.ndarray
    arena: np.ndarray
    token: np.ndarray
    used: np.ndarray
    seed: np.ndarray


@njit
def _mix(value):
    value *= _FACTOR
    return value ^ value >> np.uint64(32)


@njit
def _hash(first, second, size, token, seed):
    value = _mix(_mix(first ^ seed) + second ^ np.uint64(size))
    for j in range(16, size):
        value = (value ^ np.uint64(token[j])) * _FACTOR_2
    return value ^ value >> np.uint64(29)


@njit
def _same_bytes(arena, offset, token, size):
    for j in range(16, size):
        if arena[offset + j] != token[j]:
            return False
    return True


@njit
def find_entry(table, first, second, size):
    """The entry of the word in table.token[:size], whose first 16 bytes are also given; a new one where there is none."""
    value = _hash(first, second, size, table.token, table.seed[0])
    mask = table.slots.size - 1
    slot = np.int64(value) & mask
    tag = value >> np.uint64(32) << np.uint64(32)
    while True:
        cell = table.slots[slot]
        if cell == 0:
            break
        if cell >> np.uint64(32) << np.uint64(32) == tag:
            entry = np.int64(cell & np.uint64(0xFFFFFFFF)) - 1
            place = np.int64(table.entries[entry, PLACE])
            if (
                table.entries[entry, FIRST] == first
                and table.entries[entry, SECOND] == second
                and place & (1 << SIZE_BITS) - 1 == size
                and (size <= 16 or _same_bytes(table.arena, place >> SIZE_BITS, table.token, size))
            ):
                return entry
        slot = slot + 1 & mask
    entry = table.used[ENTRIES]
    offset = table.used[ARENA]
    table.slots[slot] = tag | np.uint64(entry + 1)
    table.entries[entry, FIRST] = first
    table.entries[entry, SECOND] = second
    table.entries[entry, PLACE] = np.uint64(offset << SIZE_BITS | size)
    for column in range(COUNT, PICTURED + 1):
        table.entries[entry, column] = 0
    for j in range(size):
        table.arena[offset + j] = table.token[j]
    table.used[ENTRIES] = entry + 1
    table.used[ARENA] = offset + size
    return entry


@njit
def fill_slots(table):
    """Fills the empty slots of a table with its entries: after it has grown."""
    mask = table.slots.size - 1
    for entry in range(table.used[ENTRIES]):
        place = np.int64(table.entries[entry, PLACE])
        size = place & (1 << SIZE_BITS) - 1
        offset = place >> SIZE_BITS
        for j in range(16, size):
            table.token[j] = table.arena[offset + j]
        value = _hash(table.entries[entry, FIRST], table.entries[entry, SECOND], size, table.token, table.seed[0])
        slot = np.int64(value) & mask
        while table.slots[slot]:
            slot = slot + 1 & mask
        table.slots[slot] = value >> np.uint64(32) << np.uint64(32) | np.uint64(entry + 1)


@njit
def _add(table, first, second, size, document, capital, pictured, only_pictured):
    entry = find_entry(table, first, second, size)
    if pictured:
        table.entries[entry, PICTURED] += np.uint64(1)
    if only_pictured:
        return
    table.entries[entry, COUNT] += np.uint64(1)
    if capital:
        table.entries[entry, CAPITALISED] += np.uint64(1)
    if table.entries[entry, LAST_DOCUMENT] != np.uint64(document):
        table.entries[entry, LAST_DOCUMENT] = np.uint64(document)
        table.entries[entry, DOCUMENTS] += np.uint64(1)
    table.used[WORDS] += 1


@njit
def _begin_line(text, i, n, flags):
    """The byte where the prose of the line that begins at i begins: the rest of a broken table is skipped."""
    while i < n:
        c = text[i]
        if c == 32:
            i += 1
        elif c in (10, CAPTION_BEGINS, CAPTION_ENDS):
            return i
        elif c == 124 or (c == 123 and text[i + 1] == 124):
            while i < n and text[i] != 10 and text[i] != CAPTION_BEGINS and text[i] != CAPTION_ENDS:
                i += 1
            return i
        elif c < 128:
            if not flags[c] & SPACE:
                return i
            i += 1
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & SPACE:
                return i
            i += size
    return i


@njit
def _small_sigma(text, i, flags, letters):
    """ς at the end of a word, σ elsewhere: the lower case of the Σ whose next character is at i."""
    if not letters & LETTER:
        return 0x3C3
    after, _ = flags_at(text, i, flags)
    return 0x3C3 if after & LETTER else 0x3C2


@njit
def _is_word_at(text, i, n, flags):
    if i >= n:
        return False
    if text[i] < 128:
        return flags[text[i]] & WORD != 0
    return flags[code_point_at(text, i)[0]] & WORD != 0


@njit
def count_words(text, n, table, characters, document, only_pictured, rules):
    """Adds the words of text[:n] to the table, as those of one document (its number, from 1).

    only_pictured: count nothing but words in captions, and those as pictured only. rules: PLAIN or WORD_FREQUENCY.
    """
    flags = characters.flags
    lower = characters.lower
    token = table.token
    pictured = 0
    i = _begin_line(text, 0, n, flags)
    while i < n:
        c = text[i]
        if c < 128:
            if not flags[c] & WORD:
                if c == 10:
                    i = _begin_line(text, i + 1, n, flags)
                elif c == CAPTION_BEGINS:
                    pictured += 1
                    i = _begin_line(text, i + 1, n, flags)
                elif c == CAPTION_ENDS:
                    pictured = max(0, pictured - 1)
                    i = _begin_line(text, i + 1, n, flags)
                elif rules == WORD_FREQUENCY and (c == 39 or c == 45 or c == 95):
                    i = _count_run(text, i, n, table, characters, document, pictured > 0, only_pictured)
                else:
                    i += 1
                continue
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & WORD:
                if rules == WORD_FREQUENCY and (code == 0x2019 or code == 0x2013):
                    i = _count_run(text, i, n, table, characters, document, pictured > 0, only_pictured)
                else:
                    i += size
                continue
        if rules == WORD_FREQUENCY:
            i = _count_run(text, i, n, table, characters, document, pictured > 0, only_pictured)
            continue
        first, second = np.uint64(0), np.uint64(0)
        length = 0
        letters = 0
        capital = False
        while i < n:
            c = np.int64(text[i])
            if c < 128:
                flag = np.int64(flags[c])
                if flag & WORD:
                    if flag & CAPITAL:
                        c += 32
                        if length == 0:
                            capital = True
                elif not (c == 39 or c == 45) or not _is_word_at(text, i + 1, n, flags):
                    break
                letters |= flag
                token[length] = c
                if length < 8:
                    first |= np.uint64(c) << np.uint64(8 * length)
                elif length < 16:
                    second |= np.uint64(c) << np.uint64(8 * (length - 8))
                length += 1
                i += 1
                continue
            code, size = code_point_at(text, i)
            flag = np.int64(flags[code])
            if code == 0x2019:
                if not _is_word_at(text, i + 3, n, flags):
                    break
                code = 39
            elif not flag & WORD:
                break
            elif flag & CAPITAL and length == 0:
                capital = True
            i += size
            if code == 0x3A3:
                code = _small_sigma(text, i, flags, letters)
            elif code < lower.size:
                code = np.int64(lower[code])
            letters |= flag
            end = write_code_point(token, length, code)
            while length < end:
                if length < 8:
                    first |= np.uint64(token[length]) << np.uint64(8 * length)
                elif length < 16:
                    second |= np.uint64(token[length]) << np.uint64(8 * (length - 8))
                length += 1
        if letters & LETTER:
            _add(table, first, second, length, document, capital, pictured > 0, only_pictured)


@njit
def _count_run(text, i, n, table, characters, document, pictured, only_pictured):
    """Counts the run of word characters, hyphens and apostrophes at i by the rules of wikipedia-word-frequency.

    It is a word where it begins and ends with a letter, digit or underscore and holds no decimal digit. Returns the byte
    after it.
    """
    flags = characters.flags
    lower = characters.lower
    token = table.token
    length = 0
    every = 0
    begins = False
    capital = False
    while i < n:
        c = np.int64(text[i])
        code, size = (c, 1) if c < 128 else code_point_at(text, i)
        if code == 0x2019:
            code = 39
        elif code == 0x2013:
            code = 45
        flag = np.int64(flags[code])
        ends = flag & WORD != 0 or code == 95
        if not ends and code != 39 and code != 45:
            break
        i += size
        if length == 0:
            begins = ends
            capital = flag & CAPITAL != 0
        if code == 0x3A3:
            code = _small_sigma(text, i, flags, every)
        elif code < lower.size:
            code = np.int64(lower[code])
        every |= flag
        length = write_code_point(token, length, code)
    if begins and every & DIGIT == 0:
        last = token[length - 1]
        if last != 39 and last != 45:
            first, second = np.uint64(0), np.uint64(0)
            for j in range(min(length, 8)):
                first |= np.uint64(token[j]) << np.uint64(8 * j)
            for j in range(8, min(length, 16)):
                second |= np.uint64(token[j]) << np.uint64(8 * (j - 8))
            _add(table, first, second, length, document, capital, pictured, only_pictured)
    return i
