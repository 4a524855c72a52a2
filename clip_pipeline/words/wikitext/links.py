# mypy: disable-error-code="assignment"
"""Links of wikitext: labels stay, captions of images stay on lines of their own, addresses and categories go.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import copy_until
from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.external_links import external_link, opens_link, scheme_before, url_end
from clip_pipeline.words.wikitext.link_kinds import CATEGORY, IMAGE, is_language_link, is_option, special_prefix

CAPTION_BEGINS, CAPTION_ENDS = 1, 2
"""Characters around the caption of an image; each breaks the line too. No XML text holds them."""
DEEPEST_LINK = 16
"""Links inside links beyond this depth are not resolved, which keeps the time linear."""

_STOPS = np.zeros(256, np.bool_)
_STOPS[[ord(c) for c in "[]:\0"]] = True


@kernel
def _write_caption(text, start, end, w, kind):
    """Moves a caption to w, on a line of its own, marked where it belongs to an image. Returns the byte after it."""
    text[w] = CAPTION_BEGINS if kind == IMAGE else 10
    w += 1
    depth = 0
    for j in range(start, end):
        c = text[j]
        if c == CAPTION_BEGINS:
            depth += 1
        elif c == CAPTION_ENDS:
            if depth == 0:
                continue
            depth -= 1
        text[w] = c
        w += 1
    for _ in range(depth):
        text[w] = CAPTION_ENDS
        w += 1
    text[w] = CAPTION_ENDS if kind == IMAGE else 10
    return w + 1


@kernel
def _close_link(text, start, w, wiki, characters):
    """Writes what a reader sees of the link text[start + 2:w] to `start`; returns the byte after it."""
    begin = start + 2
    text[w] = 0  # was read already; ends the last name here
    kind, after = special_prefix(text, begin, w, wiki.names, characters)
    if kind >= 0:
        stop = w
        j = w - 1
        while kind != CATEGORY and j >= after:
            if text[j] == 124:
                if not is_option(text, j + 1, stop, characters, wiki.options):
                    return _write_caption(text, j + 1, stop, start, kind)
                stop = j
            j -= 1
        text[start] = 32
        return start + 1
    if is_language_link(text, begin, w, wiki.codes):
        text[start] = 32
        return start + 1
    label = begin
    for j in range(begin, w):
        if text[j] == 91 or text[j] == 93:
            break
        if text[j] == 124:
            label = j + 1
            break
    for j in range(label, w):
        text[start + j - label] = text[j]
    return start + w - label


@kernel
def resolve_links(text, n, characters, wiki, stack):
    """[[a|b]] to b, [[a]] to a, [http://a b] to b, an image to its caption, addresses and categories to nothing; in place.

    Inner links come first, so that a caption has none left when its image's turn comes. wiki: its names (`scanner.py`).
    stack: int64, DEEPEST_LINK cells. Returns the new length.
    """
    w = np.int64(0)
    i = np.int64(0)
    depth = np.int64(0)
    too_deep = 0
    bracket = np.int64(-1)  # closes an external link whose label is being copied
    while i < n:
        i, w, c = copy_until(text, i, text, w, _STOPS)
        if i >= n:
            break
        if c == 91:
            label, closing = external_link(text, i, n, characters.flags)
            if label >= 0:
                bracket = closing
                i = label
                continue
            if text[i + 1] == 91 and i + 1 < n and opens_link(text, i, n, characters.flags):
                if depth < DEEPEST_LINK:
                    stack[depth] = w
                    depth += 1
                    text[w] = c
                    text[w + 1] = c
                    w += 2
                else:
                    too_deep += 1
                    text[w] = 32
                    w += 1
                i += 2
                continue
        elif c == 93:
            if i == bracket:
                i += 1
                continue
            if text[i + 1] == 93 and i + 1 < n:
                if too_deep > 0:
                    too_deep -= 1
                    text[w] = 32
                    w += 1
                elif depth > 0:
                    depth -= 1
                    w = _close_link(text, stack[depth], w, wiki, characters)
                else:
                    text[w] = 32
                    w += 1
                i += 2
                continue
        elif c == 58 and text[i + 1] == 47 and text[i + 2] == 47:
            scheme = scheme_before(text, w)
            if scheme > 0:
                end = url_end(text, i + 3, n, characters.flags, bracket)
                if end > i + 3:
                    w -= scheme
                    text[w] = 32
                    w += 1
                    i = end
                    continue
        text[w] = c
        w += 1
        i += 1
    for place in range(depth):
        text[stack[place]] = 32
        text[stack[place] + 1] = 32
    return w
