# mypy: disable-error-code="assignment"
"""Language variants of wikitext: of -{zh-hans:...;zh-hant:...}- the first one is read, of -{A|...}- what it shows.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import copy_until
from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.elements import find_name
from clip_pipeline.words.wikitext.link_kinds import code_name_at

_STOPS = np.zeros(256, np.bool_)
_STOPS[[ord("-"), ord("}"), 0]] = True
_SHOWN = np.zeros(256, np.bool_)
_SHOWN[[ord(c) for c in "ARS"]] = True
"""Flags of a rule whose text is shown; others set a rule or the page's title (H, +, -, D, T) or name a variant (N)."""


@kernel
def _skip_blanks(text, i, end):
    while i < end and (text[i] == 32 or 9 <= text[i] <= 13):
        i += 1
    return i


@kernel
def _rule_at(text, i, end, codes):
    """The byte after the "zh-hans:" at i, -1 where no variant's text begins there."""
    i = _skip_blanks(text, i, end)
    first, second, j = code_name_at(text, i, end)
    if j == i or j >= end or find_name(codes, first, second) == 0:
        return -1
    j = _skip_blanks(text, j, end)
    return j + 1 if j < end and text[j] == 58 else -1


@kernel
def _flags_end(text, i, end):
    """The byte after the bar that ends the flags of a rule, -1 where it has none; and whether its text is shown."""
    shown = True
    while i < end and text[i] != 124:
        c = text[i]
        if 65 <= c <= 90 or c == 43:
            shown = shown and _SHOWN[c]
        elif c == 45:
            before = text[i - 1]
            shown = shown and 97 <= before <= 122
        elif not (97 <= c <= 122 or c == 59 or c == 32):
            return -1, True
        i += 1
    return (i + 1, shown) if i < end else (-1, True)


@kernel
def _value_end(text, i, end, codes):
    """Where a variant's text ends: at a semicolon that another variant or nothing follows."""
    while i < end:
        if text[i] == 59 and (
            _skip_blanks(text, i + 1, end) >= end
            or _rule_at(text, i + 1, end, codes) >= 0
            or _one_way(text, i + 1, end, codes) >= 0
        ):
            return i
        i += 1
    return end


@kernel
def _one_way(text, i, end, codes):
    """The byte after the "word=>zh-cn:" at i, -1 where no such rule begins there."""
    while i + 1 < end and text[i] != 59 and not (text[i] == 61 and text[i + 1] == 62):
        i += 1
    return _rule_at(text, i + 2, end, codes) if i + 1 < end and text[i] == 61 else -1


@kernel
def _shown(text, start, end, codes):
    """Where what a reader sees of the rule text[start:end] begins and ends."""
    begin, shown = _flags_end(text, start, end)
    if not shown:
        return end, end
    if begin < 0:
        begin = start
    value = _rule_at(text, begin, end, codes)
    if value < 0:
        value = _one_way(text, begin, end, codes)
    if value < 0:
        return begin, end
    return value, _value_end(text, value, end, codes)


@kernel
def resolve_variants(text, n, codes, stack):
    """Puts one text in the place of each -{...}- of text[:n], in place. stack: int64, n / 2 + 1 cells. Returns the new length."""
    w = np.int64(0)
    i = np.int64(0)
    depth = np.int64(0)
    while i < n:
        i, w, c = copy_until(text, i, text, w, _STOPS)
        if i >= n:
            break
        if c == 45 and text[i + 1] == 123 and text[i + 2] != 123:
            stack[depth] = w
            depth += 1
            text[w] = c
            text[w + 1] = 123
            w += 2
            i += 2
            continue
        if c == 125 and text[i + 1] == 45 and depth > 0:
            depth -= 1
            start = stack[depth]
            first, last = _shown(text, start + 2, w, codes)
            for j in range(first, last):
                text[start + j - first] = text[j]
            w = start + last - first
            i += 2
            continue
        text[w] = c
        w += 1
        i += 1
    return w
