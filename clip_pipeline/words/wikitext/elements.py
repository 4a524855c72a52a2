"""Comments, references and other elements of wikitext that show no prose; tags inside prose.

All functions of the compiled kind take UTF-8 text as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.characters import WORD, copy_until, flags_at, pack_name, short_name_at
from clip_pipeline.words.wikitext.code_points import kernel

DROPPED_ELEMENTS = (
    "ref", "references", "math", "chem", "ce", "timeline", "source", "syntaxhighlight", "pre", "score", "hiero",
    "graph", "imagemap", "templatedata", "templatestyles", "mapframe", "maplink", "indicator", "inputbox",
    "categorytree", "includeonly", "table", "style", "script", "dynamicpagelist", "rss", "quiz", "pagelist", "languages",
)  # fmt: skip
INLINE_TAGS = (
    "b", "i", "u", "s", "em", "strong", "big", "small", "sub", "sup", "span", "font", "code", "tt", "var", "kbd", "samp",
    "cite", "abbr", "acronym", "del", "ins", "bdi", "bdo", "q", "strike", "ruby", "rt", "rp", "rb", "dfn", "mark", "time",
    "data", "wbr", "noinclude", "onlyinclude", "nobr", "section", "a", "charinsert", "phonos", "langconvert", "translate",
    "tvar",
)  # fmt: skip
BLOCK_TAGS = (
    "br", "hr", "p", "div", "li", "ul", "ol", "dl", "dt", "dd", "tr", "td", "th", "caption", "tbody", "thead", "blockquote",
    "center", "h1", "h2", "h3", "h4", "h5", "h6", "poem", "img",
)  # fmt: skip

NOWIKI, GALLERY, FIRST_DROPPED, INLINE, BLOCK = 1, 2, 3, 100, 101
NO_TAG, COMMENT, OPENS, OPENS_AND_CLOSES, CLOSES = 0, 1, 2, 3, 4
NOTHING = 0
"""Stands for <nowiki/>, which keeps quotes or brackets apart: ''Foo''<nowiki/>'s. No XML text holds this character."""
_STOPS = np.zeros(256, np.bool_)
_STOPS[[0, ord("<")]] = True
"""Where copying stops to look: the 0 stands behind every text, so that its end needs no check at each byte."""
HASH_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class NameTable(NamedTuple):
    """A hash table from packed names to small numbers. keys: uint64 (slots, 2). kinds: uint8, 0 where a slot is free."""

    keys: np.ndarray
    kinds: np.ndarray


def make_name_table(kinds: dict[str, int]) -> NameTable:
    """The table that `find_name` reads, for names of at most 16 letters and digits."""
    slots = 4 << len(kinds).bit_length()
    keys, values = np.zeros((slots, 2), np.uint64), np.zeros(slots, np.uint8)
    for name, kind in kinds.items():
        first, second = pack_name(name)
        slot = (((first ^ second * 3) * int(HASH_FACTOR)) & (1 << 64) - 1) >> 40 & slots - 1
        while values[slot]:
            slot = slot + 1 & slots - 1
        keys[slot] = first, second
        values[slot] = kind
    return NameTable(keys, values)


def element_table() -> NameTable:
    """The names of all elements and tags that are known."""
    kinds = {"nowiki": NOWIKI, "gallery": GALLERY}
    kinds |= {name: FIRST_DROPPED + place for place, name in enumerate(DROPPED_ELEMENTS)}
    return make_name_table(kinds | dict.fromkeys(INLINE_TAGS, INLINE) | dict.fromkeys(BLOCK_TAGS, BLOCK))


@kernel
def find_name(table, first, second):
    """The number of a packed name, 0 where the table has none."""
    mask = table.kinds.size - 1
    slot = np.int64(((first ^ second * np.uint64(3)) * HASH_FACTOR) >> np.uint64(40)) & mask
    while table.kinds[slot]:
        if table.keys[slot, 0] == first and table.keys[slot, 1] == second:
            return np.int64(table.kinds[slot])
        slot = slot + 1 & mask
    return 0


@kernel
def _tag_at(text, i, n, flags, elements):
    """What begins with the "<" at i: its kind (NO_TAG ... CLOSES), its element, and the byte after it."""
    if text[i + 1] == 33:  # !
        if text[i + 2] != 45 or text[i + 3] != 45:
            return NO_TAG, 0, i + 1
        j = i + 4
        while j < n and not (text[j] == 62 and j >= i + 6 and text[j - 1] == 45 and text[j - 2] == 45):
            j += 1
        return COMMENT, 0, min(j + 1, n)
    closes = text[i + 1] == 47  # /
    first, second, j = short_name_at(text, i + 2 if closes else i + 1)
    element = find_name(elements, first, second)
    if element == 0 or element >= INLINE or text[j] == 95 or flags_at(text, j, flags)[0] & WORD:
        return NO_TAG, 0, i + 1
    while j < n and text[j] != 60 and text[j] != 62:
        j += 1
    if j >= n or text[j] != 62:
        return NO_TAG, 0, i + 1
    if closes:
        return CLOSES, element, j + 1
    return OPENS_AND_CLOSES if text[j - 1] == 47 else OPENS, element, j + 1


@kernel
def _find_closing(text, i, n, flags, elements, wanted):
    """Where the closing tag of the element `wanted` begins and ends, from i on; -1 where there is none."""
    while i < n:
        while not _STOPS[text[np.uint64(i)]]:
            i += 1
        if text[i] != 60:
            i += 1
            continue
        kind, element, end = _tag_at(text, i, n, flags, elements)
        if kind == CLOSES and element == wanted:
            return i, end
        i = end
    return -1, -1


@kernel
def _write_nowiki(text, start, end, w):
    """Moves the content of <nowiki> to w, its markup characters blanked. Returns the byte after it."""
    i = start
    while i < end:
        c = text[i]
        if c == 39 and text[i + 1] == 39 and i + 1 < end:  # ''
            while i < end and text[i] == 39:
                i += 1
            text[w] = 32
            w += 1
            continue
        if (
            c in (123, 125, 91, 93, 124)  # {}[]|
            or c in (60, 62, 61, 42, 35, 58, 59, 95)  # <>=*#:;_
        ):
            c = np.uint8(32)
        text[w] = c
        w += 1
        i += 1
    return w


@kernel
def _append_gallery(text, start, end, captions, filled):
    """Appends each line of a gallery that has a caption as an image of its own: [[File:x|caption]]."""
    i = start
    while i < end:
        stop = i
        bar = -1
        while stop < end and text[stop] != 10:
            if bar < 0 and text[stop] == 124:
                bar = stop
            stop += 1
        if bar >= 0:
            for c in (91, 91, 70, 105, 108, 101, 58, 120):  # [[File:x
                captions[filled] = c
                filled += 1
            for j in range(bar, stop):
                captions[filled] = text[j]
                filled += 1
            for c in (93, 93, 10):
                captions[filled] = c
                filled += 1
        i = stop + 1
    return filled


@kernel
def drop_elements(text, n, flags, elements, captions):
    """Takes comments and DROPPED_ELEMENTS out of text[:n], in place; what <nowiki> holds stays, its markup blanked.

    An opening tag without a closing one is dropped alone, its text stays. An unclosed comment reaches to the end, as in
    MediaWiki. The captions of galleries are appended to `captions` (an array of 12 n bytes at least). Returns the new
    length, and the length of `captions`.
    """
    # Whole numbers of a type, not literals: a function that is given a literal first is compiled twice.
    w = np.int64(0)
    i = np.int64(0)
    filled = np.int64(0)
    unclosed = np.uint64(0)  # a bit an element that has no closing tag in the rest of the text: not looked for again
    while i < n:
        i, w, c = copy_until(text, i, text, w, _STOPS)
        if i >= n:
            break
        if c != 60:
            text[w] = c
            w += 1
            i += 1
            continue
        kind, element, end = _tag_at(text, i, n, flags, elements)
        if kind == NO_TAG:
            text[w] = c
            w += 1
            i += 1
            continue
        i = end
        if kind == COMMENT:
            continue
        if element == NOWIKI:
            text[w] = NOTHING
            w += 1
        bit = np.uint64(1) << np.uint64(element)
        if kind != OPENS or unclosed & bit:
            continue
        closing, closing_end = _find_closing(text, end, n, flags, elements, element)
        if closing < 0:
            unclosed |= bit
            continue
        i = closing_end
        if element == NOWIKI:
            w = _write_nowiki(text, end, closing, w)
            text[w] = NOTHING
        else:
            if element == GALLERY:
                filled = _append_gallery(text, end, closing, captions, filled)
            text[w] = 32
        w += 1
    return w, filled


@kernel
def prose_tag_at(text, i, n, elements, flags):
    """INLINE or BLOCK and the byte after it, where a tag of that kind begins with the "<" at i; otherwise 0."""
    first, second, j = short_name_at(text, i + 2 if text[i + 1] == 47 else i + 1)
    kind = find_name(elements, first, second)
    if kind == NOWIKI:
        kind = INLINE
    if kind < INLINE:
        return 0, i + 1
    if text[j] != 62 and text[j] != 47 and not flags_at(text, j, flags)[0] & 8:
        return 0, i + 1
    while j < n and text[j] != 60 and text[j] != 62:
        j += 1
    if j >= n or text[j] != 62:
        return 0, i + 1
    return kind, j + 1
