# ruff: noqa: SIM110  (numba compiles plain loops, no generators)
# mypy: disable-error-code="assignment"
"""The pages of an export as MediaWiki writes it, found in its bytes without an XML parser: compiled.

What is not exactly of that form (prefixes, comments, CDATA, character references by number, a page without <ns>, bytes
that are no UTF-8, ...) is not interpreted: the page is called odd, and expat reads it (`pages.py`).
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.names import name_end

MAX_TEXT = 4_000_000
MAX_ELEMENTS = 12
MAX_ATTRIBUTES = 6
OPEN = 2 * MAX_ATTRIBUTES
"""The cell of `stack` where the names of the open elements begin."""

ODD = -1
ENGLISH = 1
"""The kind, among the names of redirects, of the one that needs no link behind it."""
OTHER_NAMESPACE, REDIRECT, ARTICLE = 0, 1, 2

_PLAIN = np.zeros(256, np.bool_)
_PLAIN[[9, 10, *range(32, 128)]] = True
_PLAIN[[ord(c) for c in '&<>"']] = False
_NAME = np.zeros(256, np.bool_)
_NAME[[ord(c) for c in "abcdefghijklmnopqrstuvwxyz0123456789_"]] = True
_ATTRIBUTE = np.zeros(256, np.bool_)
_ATTRIBUTE[[ord(c) for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:_"]] = True
_PAGE = np.frombuffer(b"<page>", np.uint8).copy()
_TITLE = np.frombuffer(b"title", np.uint8).copy()
_NS = np.frombuffer(b"ns", np.uint8).copy()
_REDIRECT = np.frombuffer(b"redirect", np.uint8).copy()
_TEXT = np.frombuffer(b"text", np.uint8).copy()
_MODEL = np.frombuffer(b"model", np.uint8).copy()
_WIKITEXT = np.frombuffer(b"wikitext", np.uint8).copy()


@kernel
def _is_name(data, start, end, name):
    if end - start != name.size:
        return False
    for j in range(name.size):
        if data[start + j] != name[j]:
            return False
    return True


@kernel
def _entity(data, j):
    """The character and the size of the XML entity whose name begins at j; 0, 0 for all but the five."""
    c = data[j]
    if c == 108 and data[j + 1] == 116 and data[j + 2] == 59:
        return 60, 3
    if c == 103 and data[j + 1] == 116 and data[j + 2] == 59:
        return 62, 3
    if c == 113 and data[j + 1] == 117 and data[j + 2] == 111 and data[j + 3] == 116 and data[j + 4] == 59:
        return 34, 5
    if c == 97 and data[j + 1] == 109 and data[j + 2] == 112 and data[j + 3] == 59:
        return 38, 4
    if c == 97 and data[j + 1] == 112 and data[j + 2] == 111 and data[j + 3] == 115 and data[j + 4] == 59:
        return 39, 5
    return 0, 0


@kernel
def _character_size(data, j):
    """Bytes of the character at j, which is no ASCII; 0 where it is no UTF-8 or XML forbids it."""
    c, d = data[j], data[j + 1]
    if d & 0xC0 != 0x80 or c < 0xC2:
        return 0
    if c < 0xE0:
        return 2
    e = data[j + 2]
    if e & 0xC0 != 0x80:
        return 0
    if c < 0xF0:
        if (c == 0xE0 and d < 0xA0) or (c == 0xED and d > 0x9F) or (c == 0xEF and d == 0xBF and e >= 0xBE):
            return 0
        return 3
    if data[j + 3] & 0xC0 != 0x80 or c > 0xF4 or (c == 0xF0 and d < 0x90) or (c == 0xF4 and d > 0x8F):
        return 0
    return 4


@kernel
def copy_text(data, j, end_mark, out, w):
    """Copies character data from j to the byte `end_mark`, its entities decoded, to out[w:].

    data ends with bytes 0. Returns the place of the end mark, and the byte after what was written; ODD where something
    else comes first.
    """
    while True:
        c = data[np.uint64(j)]
        while _PLAIN[c]:
            out[np.uint64(w)] = c
            w += 1
            j += 1
            c = data[np.uint64(j)]
        if c == end_mark:
            return j, w
        if c == 34:
            out[w] = c
            w += 1
            j += 1
        elif c == 38:
            character, size = _entity(data, j + 1)
            if size == 0:
                return ODD, 0
            out[w] = character
            w += 1
            j += size + 1
        elif c >= 0x80:
            size = _character_size(data, j)
            if size == 0:
                return ODD, 0
            for _ in range(size):
                out[w] = data[j]
                w += 1
                j += 1
        else:
            return ODD, 0


@kernel
def _attributes(data, j, out, w, stack):
    """Reads attributes up to the end of a tag; returns the byte after it and whether it closes itself, or ODD.

    Their values are written to out[w:], which nobody reads.
    """
    number = 0
    while True:
        spaces = 0
        while data[j] == 32:
            j += 1
            spaces += 1
        if data[j] == 62:
            return j + 1, False
        if data[j] == 47 and data[j + 1] == 62:
            return j + 2, True
        start = j
        while _ATTRIBUTE[data[j]]:
            j += 1
        if not spaces or j == start or number == MAX_ATTRIBUTES or data[j] != 61 or data[j + 1] != 34:
            return ODD, False
        for other in range(number):
            first = stack[2 * other]
            if stack[2 * other + 1] - first == j - start:
                same = True
                for k in range(j - start):
                    same = same and data[first + k] == data[start + k]
                if same:
                    return ODD, False
        stack[2 * number], stack[2 * number + 1] = start, j
        number += 1
        j, _ = copy_text(data, j + 2, np.int64(34), out, w)
        if j < 0:
            return ODD, False
        j += 1


@kernel
def _number(data, start, end):
    """The whole number in data[start:end], -10**9 where it is none."""
    negative = data[start] == 45
    if negative:
        start += 1
    if not 1 <= end - start <= 8:
        return -(10**9)
    value = 0
    for j in range(start, end):
        if not 48 <= data[j] <= 57:
            return -(10**9)
        value = 10 * value + data[j] - 48
    return -value if negative else value


@kernel
def begins_page(data, i):
    """Whether "<page>" stands at byte i."""
    return _is_name(data, i, i + 6, _PAGE)


@kernel
def scan_page(data, i, out, title, stack, redirects, characters):
    """Reads the page whose <page> is at byte i; `out` becomes the text of its newest revision, decoded.

    title: int64, becomes the place of the title, [start, end). stack: int64, where names begin and end: of the open
    elements, behind those of a tag's attributes. redirects: what stands for "redirect" in all languages. Returns the byte after </page>, the kind of the page
    (OTHER_NAMESPACE, REDIRECT, ARTICLE) and the size of the text; ODD in front where expat must read the page.
    """
    stack[OPEN], stack[OPEN + 1] = i + 1, i + 5
    depth = 1
    j = i + 6
    namespace = -(10**9)
    redirect = False
    size = np.int64(0)
    while True:
        while data[j] == 10 or data[j] == 32:
            j += 1
        if data[j] != 60:
            return ODD, 0, 0
        j += 1
        if data[j] == 47:
            start = j + 1
            j = start
            while _NAME[data[j]]:
                j += 1
            depth -= 1
            opened = stack[OPEN + 2 * depth]
            if data[j] != 62 or j - start != stack[OPEN + 2 * depth + 1] - opened:
                return ODD, 0, 0
            for k in range(j - start):
                if data[start + k] != data[opened + k]:
                    return ODD, 0, 0
            j += 1
            if depth == 0:
                break
            continue
        start = j
        while _NAME[data[j]]:
            j += 1
        end = j
        if end == start or 48 <= data[start] <= 57 or depth == MAX_ELEMENTS:
            return ODD, 0, 0
        is_text = depth == 2 and _is_name(data, start, end, _TEXT)
        j, closed = _attributes(data, j, out, size, stack)
        if j < 0:
            return ODD, 0, 0
        if depth == 1 and _is_name(data, start, end, _REDIRECT):
            redirect = True
        if is_text:
            size = 0
        if closed:
            if depth == 1 and (_is_name(data, start, end, _TITLE) or _is_name(data, start, end, _NS)):
                return ODD, 0, 0
            continue
        stack[OPEN + 2 * depth], stack[OPEN + 2 * depth + 1] = start, end
        depth += 1
        is_title = depth == 2 and _is_name(data, start, end, _TITLE)
        is_namespace = depth == 2 and _is_name(data, start, end, _NS)
        is_model = depth == 3 and _is_name(data, start, end, _MODEL)
        if not (is_text or is_title or is_namespace):
            k = j
            while data[k] == 10 or data[k] == 32:
                k += 1
            if data[k] == 60 and data[k + 1] != 47:  # its first child
                j = k
                continue
        # What is outside of <text> is checked and written behind it.
        begin = j
        j, written = copy_text(data, j, np.int64(60), out, size)
        if j < 0 or data[j + 1] != 47:
            return ODD, 0, 0
        if is_text:
            size = written
        elif is_title:
            title[0], title[1] = begin, j
        elif is_namespace:
            namespace = _number(data, begin, j)
        elif is_model and namespace == 0 and not _is_name(data, begin, j, _WIKITEXT):
            return ODD, 0, 0  # expat's reader says what was not counted
    if namespace == -(10**9) or size > MAX_TEXT:
        return ODD, 0, 0
    if namespace != 0:
        return j, OTHER_NAMESPACE, size
    return j, REDIRECT if redirect or says_redirect(out, size, redirects, characters) else ARTICLE, size


@kernel
def says_redirect(text, n, redirects, characters):
    """Whether the text begins with "#redirect", or that in another language before a link; blanks in front leave it within 20 bytes."""
    i = 0
    while i < n and (text[i] == 32 or 9 <= text[i] <= 13):
        i += 1
    if i > 11 or i >= n or text[i] != 35:
        return False
    first = 0
    for name in range(redirects.ends.size):
        last = redirects.ends[name]
        j = name_end(text, i + 1, n, redirects.codes, first, last, characters)
        if j >= 0 and redirects.kinds[name] == ENGLISH:
            return True
        if j >= 0:
            while text[j] == 32 or text[j] == 58 or 9 <= text[j] <= 13:
                j += 1
            if text[j] == 91 and text[j + 1] == 91:
                return True
        first = last
    return False
