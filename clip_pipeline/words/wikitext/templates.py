# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
"""Templates and tables of wikitext, and the templates that mark a disambiguation page.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import WORD, copy_until
from clip_pipeline.words.wikitext.code_points import code_point_at, kernel
from clip_pipeline.words.wikitext.names import has_word
from clip_pipeline.words.wikitext.prose_templates import write_template

MAX_INDENT = 40
"""Colons and blanks that may stand before a table on its line."""
MAX_MARK = 60
"""Characters of a template's name before "disambig"."""
MAX_CATEGORY = 80

_MARKS = ("disamb", "dab", "hndis", "hndab", "geodis", "geodab", "mathdab", "math dab", "math_dab", "roaddis",
          "schooldis", "school dis", "school_dis", "hospitaldis", "numberdis", "mil-unit-dis", "shipindex dab", "shipindex_dab")  # fmt: skip
_MARK_BYTES = (
    np.frombuffer(b"".join(mark.encode().ljust(16, b"\0") for mark in _MARKS), np.uint8).reshape(-1, 16).copy()
)
_DISAMBIG = np.frombuffer(b"disambig", np.uint8).copy()
_UATION = np.frombuffer(b"uation", np.uint8).copy()
_PAGE = np.frombuffer(b"page", np.uint8).copy()
_CLEANUP = np.frombuffer(b"cleanup", np.uint8).copy()
_CATEGORY = np.frombuffer(b"category", np.uint8).copy()
_DISAMBIGUATION = np.frombuffer(b"disambiguation", np.uint8).copy()
_PAGES = np.frombuffer(b"pages", np.uint8).copy()

_STOPS = np.zeros(256, np.bool_)
_STOPS[[ord(c) for c in "{}|[\n\0"]] = True


@kernel
def _skip_blanks(text, i):
    while text[i] == 32 or text[i] == 95 or 9 <= text[i] <= 13:
        i += 1
    return i


@kernel
def _ends_name(text, i):
    i = _skip_blanks(text, i)
    return text[i] == 124 or text[i] == 125


@kernel
def _ends_disambig(text, i):
    """Whether the name of a template ends well after "disambig" at i: "(uation)( page)( cleanup)"."""
    return (has_word(text, i, _UATION) and _ends_name_or_more(text, i + 6)) or _ends_name_or_more(text, i)


@kernel
def _ends_name_or_more(text, i):
    if _ends_name(text, i):
        return True
    if (text[i] == 32 or text[i] == 95 or text[i] == 45) and has_word(text, i + 1, _PAGE):
        i += 5
        if _ends_name(text, i):
            return True
    return (
        (text[i] == 32 or text[i] == 95 or text[i] == 45)
        and has_word(text, i + 1, _CLEANUP)
        and _ends_name(text, i + 8)
    )


@kernel
def _marks_disambiguation(text, i, n, flags):
    """Whether the template whose name begins at i marks a disambiguation page: {{disambig}}, {{hndis|...}}, ...

    "{{disambiguation needed}}" marks a doubtful link inside an ordinary article, so the name must end there.
    """
    i = _skip_blanks(text, i)
    for row in range(_MARK_BYTES.shape[0]):
        size = 0
        while (
            size < 16
            and _MARK_BYTES[row, size]
            and (
                text[i + size] == _MARK_BYTES[row, size]
                or (65 <= text[i + size] <= 90 and text[i + size] + 32 == _MARK_BYTES[row, size])
            )
        ):
            size += 1
        if _MARK_BYTES[row, size] == 0 and _ends_name(text, i + size):
            return True
    characters = 0
    while characters <= MAX_MARK and i < n:
        c = text[i]
        if (c == 68 or c == 100) and has_word(text, i, _DISAMBIG) and _ends_disambig(text, i + 8):
            return True
        if c < 128:
            if not (flags[c] & WORD or c == 95 or c == 32 or c == 47 or 40 <= c <= 41 or c == 45):
                return False
            i += 1
        else:
            code, size = code_point_at(text, i)
            if not flags[code] & WORD:
                return False
            i += size
        characters += 1
    return False


@kernel
def _is_disambiguation_category(text, i, n):
    """Whether the link at i is [[Category:... disambiguation pages."""
    i += 2
    while i < n and (text[i] == 32 or 9 <= text[i] <= 13):
        i += 1
    if not has_word(text, i, _CATEGORY):
        return False
    i += 8
    while i < n and (text[i] == 32 or 9 <= text[i] <= 13):
        i += 1
    if text[i] != 58:
        return False
    i += 1
    end = min(n, i + MAX_CATEGORY + 1)
    while i < end and text[i] != 91 and text[i] != 93 and text[i] != 124:
        if (
            has_word(text, i, _DISAMBIGUATION)
            and (text[i + 14] == 32 or text[i + 14] == 95)
            and has_word(text, i + 15, _PAGES)
        ):
            return True
        i += 1
    return False


@kernel
def _begins_line(text, line_read, line_written, i, w):
    """Whether only colons and blanks stand before i on its line, which began at line_read and was copied to line_written.

    A template that was dropped since has moved the output back, so that the two lengths differ.
    """
    if w - line_written != i - line_read or i - line_read > MAX_INDENT:
        return False
    for j in range(line_written, w):
        if text[j] != 58 and text[j] != 32 and text[j] != 9:
            return False
    return True


@kernel
def drop_templates_and_tables(text, n, flags, stack, shown, parameters):
    """Takes {{...}} and {|...|}, nested ones included, out of text[:n], in place; a blank stands for each.

    Of the few templates that show text of the article (shown, parameters: the tables of `prose_templates.py`) that text stays.

    Unclosed ones are left, their closed inner ones are dropped. Inside a template only its own braces count.
    stack: int64, n / 2 + 1 cells at least. Returns the new length, whether the page is marked as a disambiguation, and whether
    it may hold language variants, -{...}-.
    """
    w = np.int64(0)
    i = np.int64(0)
    depth = np.int64(0)
    line_read = np.int64(0)
    line_written = np.int64(0)
    disambiguation = False
    variants = False
    while i < n:
        i, w, c = copy_until(text, i, text, w, _STOPS)
        if i >= n:
            break
        d = text[i + 1] if i + 1 < n else np.uint8(0)
        inside_template = depth > 0 and stack[depth - 1] >= 0
        if c == 10:
            line_read = i + 1
            line_written = w + 1
        elif c == 123 and d == 123:
            if not disambiguation:
                disambiguation = _marks_disambiguation(text, i + 2, n, flags)
            stack[depth] = w
            depth += 1
            text[w] = c
            text[w + 1] = d
            w += 2
            i += 2
            continue
        elif c == 125 and d == 125:
            if inside_template:
                depth -= 1
                w = write_template(text, stack[depth], w, shown, parameters)
            else:
                text[w] = c
                text[w + 1] = d
                w += 2
            i += 2
            continue
        elif c == 91 and d == 91:
            if not disambiguation:
                disambiguation = _is_disambiguation_category(text, i, n)
        elif c == 123 and w > 0 and text[w - 1] == 45:
            variants = True
        elif c == 123 and d == 124 or (c == 124 and d == 125 and (i + 2 >= n or text[i + 2] != 125)):
            if not inside_template and _begins_line(text, line_read, line_written, i, w):
                if c == 123:
                    stack[depth] = -1 - w
                    depth += 1
                elif depth > 0:
                    depth -= 1
                    w = -1 - stack[depth]
                    text[w] = 32
                    w += 1
                    i += 2
                    continue
            text[w] = c
            text[w + 1] = d
            w += 2
            i += 2
            continue
        text[w] = c
        w += 1
        i += 1
    return w, disambiguation, variants
