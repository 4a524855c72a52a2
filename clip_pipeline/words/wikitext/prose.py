"""The last marks in prose whose templates and links are gone: tags, quotes, magic words, character references.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import copy_until, short_name_at
from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.elements import BLOCK, NOTHING, prose_tag_at
from clip_pipeline.words.wikitext.entities import write_reference
from clip_pipeline.words.wikitext.hidden import MIN_ATTRIBUTES, closing_end, hides
from clip_pipeline.words.wikitext.names import has_word, switch_end
from clip_pipeline.words.wikitext.quotes import ITALICS, LINE_END, end_line, write_quotes

_DISAMBIG = np.frombuffer(b"__disambig__", np.uint8).copy()
_STOPS = np.zeros(256, np.bool_)
_STOPS[[ord("<"), ord("'"), ord("_"), ord("&"), NOTHING, 0xC2]] = True


@kernel
def write_prose(text, n, out, characters, elements, entities, switches, marks):
    """Writes text[:n] to `out` (2 n + 64 bytes at least) as it is read.

    switches: of `names.make_name_hashes`. marks: int64, the cells of `quotes.py`. Returns its length, and whether a magic word marks a disambiguation page.
    """
    i = np.int64(0)
    w = np.int64(0)
    disambiguation = False
    unclosed = False  # a hidden element without an end in the rest of the text: none is looked for again
    marks[LINE_END] = -1
    marks[ITALICS] = 0
    while i < n:
        i, w, c = copy_until(text, i, out, w, _STOPS)
        if i >= n:
            break
        if c == 39 and text[i + 1] == 39:  # '' and '''
            i, w = write_quotes(text, i, n, out, w, marks)
            continue
        if c == 38:
            i, w = write_reference(text, i, n, out, w, entities)
            continue
        if c == 60:
            kind, end = prose_tag_at(text, i, n, elements, characters.flags)
            if kind:
                if end - i > MIN_ATTRIBUTES and text[i + 1] != 47 and text[end - 2] != 47 and not unclosed:
                    _, _, name = short_name_at(text, i + 1)
                    if hides(text, name + 1, end):
                        closing = closing_end(text, i + 1, name - i - 1, end, n)
                        unclosed = closing < 0
                        if closing >= 0:
                            out[w] = 32
                            w += 1
                            i = closing
                            continue
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
            j = switch_end(text, i, n, switches, characters)
            if j >= 0:
                out[w] = 32
                w += 1
                i = j
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
    return end_line(out, w, marks), disambiguation
