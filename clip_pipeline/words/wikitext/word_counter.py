# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
# mypy: disable-error-code="assignment, call-overload"
"""Words of a plain text, told apart and counted in a hash table: compiled.

A table is a set of arrays (`Table`) of fixed size; whoever calls sees to it that there is room (`table.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.characters import (
    CAPITAL,
    DIGIT,
    LETTER,
    MARK,
    SPACE,
    WORD,
    code_point_at,
    flags_at,
    kernel,
    write_code_point,
)
from clip_pipeline.words.wikitext.links import CAPTION_BEGINS, CAPTION_ENDS

PLAIN, WORD_FREQUENCY = 0, 1
"""Rules of what a word is: see `tokens.py`."""

FIRST, SECOND, COUNT, DOCUMENTS = range(4)
"""Columns of `Table.entries`: the word's first 16 bytes, its occurrences, and documents << 32 | the last document."""
PLACE, CAPITALISED, CAPTIONED = range(3)
"""Columns of `Table.more`, which few words need: offset and size in the arena (offset << 28 | size), and numbers."""
SIZE_BITS = 28
ENTRY_BITS = 25
"""Of a slot; the text of one page may hold 32 million words. The other 7 bits are of the hash."""
ENTRIES, ARENA, ARTICLES = range(3)
"""Cells of `Table.used`."""

DOT_ABOVE = 0x307
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_2 = np.uint64(0xC2B2AE3D27D4EB4F)


class Table(NamedTuple):
    """slots: uint32, number of the entry + 1 and bits of the hash, a power of two of them, 0 where free.
    entries: uint64 (entries, 4). more: uint64 (entries, 3). arena: uint8, the bytes of all words. token: uint8, room for
    the longest word. used: int64, entries and arena bytes in use, articles counted so far. seed: of the hash.

    What every word touches is small, 36 bytes: the time goes into waiting for memory. The functions that every word goes
    through are inlined, for a call hands over seven numbers an array: 7.4 ms a MB of XML with calls, 4.1 without (2026-11-21).
    """

    slots: np.ndarray
    entries: np.ndarray
    more: np.ndarray
    arena: np.ndarray
    token: np.ndarray
    used: np.ndarray
    seed: np.ndarray


@kernel(inline="always")
def _mix(value):
    value *= _FACTOR
    return value ^ value >> np.uint64(32)


@kernel(inline="always")
def _hash(first, second, size, token, seed):
    value = _mix(_mix(first ^ seed) + second ^ np.uint64(size))
    for j in range(16, size):
        value = (value ^ np.uint64(token[j])) * _FACTOR_2
    return value ^ value >> np.uint64(29)


@kernel
def _same_bytes(arena, offset, token, size):
    for j in range(16, size):
        if arena[offset + j] != token[j]:
            return False
    return True


@kernel(inline="always")
def _tag(value, size):
    """What a slot holds beside the entry: 6 bits of the hash, and whether the word is longer than 16 bytes."""
    bits = np.uint32(value >> np.uint64(58)) << np.uint32(1) | np.uint32(1 if size > 16 else 0)
    return bits << np.uint32(ENTRY_BITS)


@kernel
def _add_entry(slots, entries, more, arena, token, used, slot, tag, first, second, size):
    entry = used[ENTRIES]
    offset = used[ARENA]
    slots[slot] = tag | np.uint32(entry + 1)
    entries[entry, FIRST] = first
    entries[entry, SECOND] = second
    entries[entry, COUNT] = 0
    entries[entry, DOCUMENTS] = 0
    more[entry, PLACE] = np.uint64(offset << SIZE_BITS | size)
    more[entry, CAPITALISED] = 0
    more[entry, CAPTIONED] = 0
    for j in range(size):
        arena[offset + j] = token[j]
    used[ENTRIES] = entry + 1
    used[ARENA] = offset + size
    return entry


@kernel(inline="always")
def _find_entry(slots, entries, more, arena, token, used, seed, first, second, size):
    """The entry of the word in token[:size], whose first 16 bytes are also given; a new one where there is none."""
    value = _hash(first, second, size, token, seed)
    mask = slots.size - 1
    slot = np.int64(value) & mask
    tag = _tag(value, size)
    while True:
        cell = slots[slot]
        if cell == 0:
            break
        entry = np.int64(cell & np.uint32((1 << ENTRY_BITS) - 1)) - 1
        if (
            cell >> np.uint32(ENTRY_BITS) << np.uint32(ENTRY_BITS) == tag
            and entries[entry, FIRST] == first
            and entries[entry, SECOND] == second
        ):
            if size <= 16:  # no word holds a byte 0, so the 16 bytes tell the size too
                return entry
            place = np.int64(more[entry, PLACE])
            if place & (1 << SIZE_BITS) - 1 == size and _same_bytes(arena, place >> SIZE_BITS, token, size):
                return entry
        slot = slot + 1 & mask
    return _add_entry(slots, entries, more, arena, token, used, slot, tag, first, second, size)


@kernel
def fill_slots(table):
    """Fills the empty slots of a table with its entries: after it has grown."""
    slots, entries, more, arena, token = table.slots, table.entries, table.more, table.arena, table.token
    mask = slots.size - 1
    for entry in range(table.used[ENTRIES]):
        place = np.int64(more[entry, PLACE])
        size = place & (1 << SIZE_BITS) - 1
        offset = place >> SIZE_BITS
        for j in range(16, size):
            token[j] = arena[offset + j]
        value = _hash(entries[entry, FIRST], entries[entry, SECOND], size, token, table.seed[0])
        slot = np.int64(value) & mask
        while slots[slot]:
            slot = slot + 1 & mask
        slots[slot] = _tag(value, size) | np.uint32(entry + 1)


@kernel(inline="always")
def _add(
    slots, entries, more, arena, token, used, seed, first, second, size, document, capital, captioned, only_captioned
):
    entry = _find_entry(slots, entries, more, arena, token, used, seed, first, second, size)
    if captioned:
        more[entry, CAPTIONED] += np.uint64(1)
    if only_captioned:
        return
    entries[entry, COUNT] += np.uint64(1)
    documents = entries[entry, DOCUMENTS]
    if documents & np.uint64(0xFFFFFFFF) != np.uint64(document):
        entries[entry, DOCUMENTS] = ((documents >> np.uint64(32)) + np.uint64(1)) << np.uint64(32) | np.uint64(document)
    if capital:
        more[entry, CAPITALISED] += np.uint64(1)


@kernel
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


@kernel
def _small_sigma(text, i, flags, letters):
    """ς at the end of a word, σ elsewhere: the lower case of the Σ whose next character is at i."""
    if not letters & LETTER:
        return 0x3C3
    after, size = flags_at(text, i, flags)
    while after & MARK:
        i += size
        after, size = flags_at(text, i, flags)
    return 0x3C3 if after & LETTER else 0x3C2


@kernel
def _is_word_at(text, i, n, flags):
    if i >= n:
        return False
    if text[i] < 128:
        return flags[text[i]] & WORD != 0
    return flags[code_point_at(text, i)[0]] & WORD != 0


@kernel
def count_words(text, n, table, characters, document, only_captioned):
    """Adds the words of text[:n] to the table, as those of one document (its number, from 1).

    only_captioned: count nothing but words in captions, and those as captioned only.
    """
    flags, lower = characters.flags, characters.lower
    slots, entries, more, arena = table.slots, table.entries, table.more, table.arena
    token, used, seed = table.token, table.used, table.seed[0]
    captioned = 0
    i = _begin_line(text, np.int64(0), n, flags)
    while i < n:
        c = text[np.uint64(i)]
        if c < 128:
            if not flags[c] & WORD:
                if c == 10:
                    i = _begin_line(text, i + 1, n, flags)
                elif c == CAPTION_BEGINS:
                    captioned += 1
                    i = _begin_line(text, i + 1, n, flags)
                elif c == CAPTION_ENDS:
                    captioned = max(0, captioned - 1)
                    i = _begin_line(text, i + 1, n, flags)
                else:
                    i += 1
                continue
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & WORD:
                i += size
                continue
        first, second = np.uint64(0), np.uint64(0)
        length = np.int64(0)
        letters = np.int64(0)
        capital = False
        while i < n:
            c = text[np.uint64(i)]
            if c < 128:
                flag = flags[c]
                if flag & WORD:
                    if flag & CAPITAL:
                        c |= np.uint8(32)
                        if length == 0:
                            capital = True
                elif not (c == 39 or c == 45) or not _is_word_at(text, i + 1, n, flags):
                    break
                letters |= flag
                token[np.uint64(length)] = c
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
            elif not flag & (WORD | MARK):
                break
            elif code == DOT_ABOVE and token[length - 1] == 105:  # as the lower case of İ, which is the same letter
                i += size
                continue
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
            _add(
                slots, entries, more, arena, token, used, seed, first, second, length, document, capital, captioned > 0, only_captioned
            )  # fmt: skip


@kernel
def count_runs(text, n, table, characters, document, only_captioned):
    """`count_words` by the rules of wikipedia-word-frequency.

    A run of letters, digits, underscores, hyphens and apostrophes is a word where it begins and ends with none of the last
    two and holds no decimal digit. Dashes are hyphens, typographic apostrophes are straight ones.
    """
    flags, lower = characters.flags, characters.lower
    slots, entries, more, arena = table.slots, table.entries, table.more, table.arena
    token, used, seed = table.token, table.used, table.seed[0]
    captioned = 0
    length = np.int64(0)
    every = np.int64(0)
    begins = False
    capital = False
    i = _begin_line(text, np.int64(0), n, flags)
    while i <= n:
        code, size = (np.int64(text[i]), 1) if text[i] < 128 else code_point_at(text, i)
        if code == 0x2019:
            code = 39
        elif code == 0x2013:
            code = 45
        flag = np.int64(flags[code])
        in_word = flag & WORD != 0 or code == 95
        if in_word or code == 39 or code == 45:
            i += size
            if length == 0:
                begins = in_word
                capital = flag & CAPITAL != 0
            if code == 0x3A3:
                code = _small_sigma(text, i, flags, every)
            elif code < lower.size:
                code = np.int64(lower[code])
            every |= flag
            length = write_code_point(token, length, code)
            continue
        # The byte after the text is a 0, which ends its last word.
        if length and begins and every & DIGIT == 0 and token[length - 1] != 39 and token[length - 1] != 45:
            first, second = np.uint64(0), np.uint64(0)
            for j in range(min(length, 8)):
                first |= np.uint64(token[j]) << np.uint64(8 * j)
            for j in range(8, min(length, 16)):
                second |= np.uint64(token[j]) << np.uint64(8 * (j - 8))
            _add(
                slots, entries, more, arena, token, used, seed, first, second, length, document, capital, captioned > 0, only_captioned
            )  # fmt: skip
        length = 0
        every = 0
        i += size
        if code in (10, CAPTION_BEGINS, CAPTION_ENDS):
            if code == CAPTION_BEGINS:
                captioned += 1
            elif code == CAPTION_ENDS:
                captioned = max(0, captioned - 1)
            i = _begin_line(text, i, n, flags)
