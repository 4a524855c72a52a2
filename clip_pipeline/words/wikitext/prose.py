"""The last marks in prose whose templates and links are gone: tags, quotes, magic words, character references.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import copy_until, kernel
from clip_pipeline.words.wikitext.elements import BLOCK, NOTHING, prose_tag_at
from clip_pipeline.words.wikitext.entities import write_reference
from clip_pipeline.words.wikitext.templates import has_word

_DISAMBIG = np.frombuffer(b"__disambig__", np.uint8).copy()
_STOPS = np.zeros(256, np.bool_)
_STOPS[[ord("<"), ord("'"), ord("_"), ord("&"), NOTHING, 0xC2]] = True


@kernel
def write_prose(text, n, out, flags, elements, entities):
    """Writes text[:n] to `out` (2 n + 64 bytes at least) as it is read.

    Returns its length, and whether a magic word marks a disambiguation page.
    """
    i = np.int64(0)
    w = np.int64(0)
    disambiguation = False
    while i < n:
        i, w, c = copy_until(text, i, out, w, _STOPS)
        if i >= n:
            break
        if c == 39 and text[i + 1] == 39:  # '' and '''
            while i < n and text[i] == 39:
                i += 1
            continue
        if c == 38:
            i, w = write_reference(text, i, n, out, w, entities)
            continue
        if c == 60:
            kind, end = prose_tag_at(text, i, n, elements, flags)
            if kind:
                i = end
                if kind == BLOCK:
                    out[w] = 10
                    w += 1
                continue
        elif c == 95 and text[i + 1] == 95:
            j = i + 2
            while 65 <= text[j] <= 90:
                j += 1
            if has_word(text, i, _DISAMBIG):
                disambiguation = True
            if 3 <= j - i - 2 <= 30 and text[j] == 95 and text[j + 1] == 95:
                out[w] = 32
                w += 1
                i = j + 2
                continue
        elif c == NOTHING:
            i += 1
            continue
        elif c == 0xC2 and (text[i + 1] == 0xA0 or text[i + 1] == 0xAD):  # no-break space, soft hyphen
            if text[i + 1] == 0xA0:
                out[w] = 32
                w += 1
            i += 2
            continue
        out[w] = c
        w += 1
        i += 1
    return w, disambiguation
