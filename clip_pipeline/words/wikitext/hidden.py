# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
"""Tags of wikitext whose content no reader sees: style="display:none", the attribute hidden, class="noprint". Compiled."""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.names import has_word

MIN_ATTRIBUTES = 7
"""Bytes of the shortest attribute that hides: " hidden"."""
_DISPLAY = np.frombuffer(b"display", np.uint8).copy()
_VISIBILITY = np.frombuffer(b"visibility", np.uint8).copy()
_NONE = np.frombuffer(b"none", np.uint8).copy()
_HIDDEN = np.frombuffer(b"hidden", np.uint8).copy()
_NOPRINT = np.frombuffer(b"noprint", np.uint8).copy()


@kernel
def _is_letter(c):
    return 97 <= c | 32 <= 122 or c == 45 or c == 95


@kernel
def _has_value(text, i, value):
    """Whether the property whose name ends before i has that value: blanks, a colon, blanks, and the value."""
    while text[i] == 32:
        i += 1
    if text[i] != 58:
        return False
    i += 1
    while text[i] == 32:
        i += 1
    return has_word(text, i, value) and not _is_letter(text[i + value.size])


@kernel
def hides(text, i, end):
    """Whether the attributes in text[i:end], of an opening tag, hide what follows it."""
    quote = np.uint8(0)
    while i < end:
        c = text[i]
        if c == 34 or c == 39:
            if quote == 0:
                quote = c
            elif quote == c:
                quote = np.uint8(0)
        elif not _is_letter(text[i - 1]):
            if quote == 0:
                if has_word(text, i, _HIDDEN) and text[i - 1] == 32 and not _is_letter(text[i + 6]):
                    return True
            elif has_word(text, i, _DISPLAY):
                if _has_value(text, i + 7, _NONE):
                    return True
            elif has_word(text, i, _VISIBILITY):
                if _has_value(text, i + 10, _HIDDEN):
                    return True
            elif has_word(text, i, _NOPRINT) and not _is_letter(text[i + 7]):
                return True
        i += 1
    return False


@kernel
def closing_end(text, name, size, i, n):
    """The byte after the tag that closes the element of that name (text[name:name + size]) whose content begins at i; -1 for none."""
    depth = 1
    while i < n:
        while text[np.uint64(i)] != 60 and i < n:
            i += 1
        closes = text[i + 1] == 47
        j = i + 2 if closes else i + 1
        same = True
        for k in range(size):
            same = same and text[j + k] | 32 == text[name + k] | 32
        j += size
        if i < n and same and not _is_letter(text[j]) and not 48 <= text[j] <= 57:
            while j < n and text[j] != 60 and text[j] != 62:
                j += 1
            if j < n and text[j] == 62:
                if closes:
                    depth -= 1
                elif text[j - 1] != 47:
                    depth += 1
                if depth == 0:
                    return j + 1
        i += 1
    return np.int64(-1)
