# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
# mypy: disable-error-code="assignment, call-overload"
"""The hash table of words with their counts, as arrays: compiled.

A table is a set of arrays (`Table`) of fixed size; whoever calls sees to it that there is room (`words/table.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.code_points import kernel

FIRST, SECOND, COUNT, DOCUMENTS = range(4)
"""Columns of `Table.entries`: the word's first 16 bytes, its occurrences, and documents << 32 | the last document."""
PLACE, CAPITALISED, CAPTIONED = range(3)
"""Columns of `Table.more`, which few words need: offset and size in the arena (offset << 28 | size), and numbers."""
SIZE_BITS = 28
ENTRY_BITS = 25
"""Of a slot; the text of one page may hold 32 million words. The other 7 bits are of the hash."""
ENTRIES, ARENA, ARTICLES, POSSESSIVES = range(4)
"""Cells of `Table.used`."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_FACTOR_2 = np.uint64(0xC2B2AE3D27D4EB4F)


class Table(NamedTuple):
    """slots: uint32, number of the entry + 1 and bits of the hash, a power of two of them, 0 where free.
    entries: uint64 (entries, 4). more: uint64 (entries, 3). arena: uint8, the bytes of all words. token: uint8, room for
    the longest word. codes: int32, room for the code points of a word that is brought into another form. used: int64, entries
    and arena bytes in use, articles counted so far, possessives that counted for their words. seed: of the hash.

    What every word touches is small, 36 bytes: the time goes into waiting for memory. The functions that every word goes
    through are inlined, for a call hands over seven numbers an array: 7.4 ms a MB of XML with calls, 4.1 without (2026-11-21).
    """

    slots: np.ndarray
    entries: np.ndarray
    more: np.ndarray
    arena: np.ndarray
    token: np.ndarray
    codes: np.ndarray
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
def add_word(slots, entries, more, arena, token, used, seed, first, second, size, document, capital, captioned):
    entry = _find_entry(slots, entries, more, arena, token, used, seed, first, second, size)
    if captioned:
        more[entry, CAPTIONED] += np.uint64(1)
    entries[entry, COUNT] += np.uint64(1)
    documents = entries[entry, DOCUMENTS]
    if documents & np.uint64(0xFFFFFFFF) != np.uint64(document):
        entries[entry, DOCUMENTS] = ((documents >> np.uint64(32)) + np.uint64(1)) << np.uint64(32) | np.uint64(document)
    if capital:
        more[entry, CAPITALISED] += np.uint64(1)
