# mypy: disable-error-code="assignment"
"""Runs of apostrophes, which mark italic and bold text, by MediaWiki's rules: which of them are read as apostrophes.

Of four the first is one, of more than five all but five. Where a line has an odd number of both italic and bold marks, one bold mark
is an apostrophe and an italic mark: ''Eagle'''s shows Eagle's. Compiled.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.code_points import kernel

LINE_END, SEGMENT, ITALICS, BOLDS, SINGLE, MANY, SPACED = range(7)
"""Cells of `marks`, int64: where the line ends in the text; where the text after the last mark begins in the output; how many
italic and bold marks there were; and where in the output the first bold mark stood after a word of one letter, after a longer one,
and after a blank (-1 for none)."""
CELLS = 7


@kernel
def _begin_line(text, i, n, w, marks):
    end = i
    while end < n and text[end] != 10 and text[end] != 1 and text[end] != 2:  # the last two around captions
        end += 1
    start = i
    while start > 0 and text[start - 1] != 10 and text[start - 1] != 1 and text[start - 1] != 2 and i - start < 2:
        start -= 1
    marks[LINE_END] = end
    marks[SEGMENT] = w - (i - start)
    marks[ITALICS] = marks[BOLDS] = 0
    marks[SINGLE] = marks[MANY] = marks[SPACED] = -1


@kernel
def end_line(out, w, marks):
    """Makes the one bold mark of the line an apostrophe that is to be one; returns the byte after the output."""
    if marks[ITALICS] & 1 == 0 or marks[BOLDS] & 1 == 0:
        return w
    place = marks[SINGLE]
    if place < 0:
        place = marks[MANY]
    if place < 0:
        place = marks[SPACED]
    marks[ITALICS] = 0
    if place < 0:
        return w
    j = w
    while j > place:
        out[j] = out[j - 1]
        j -= 1
    out[place] = 39
    return w + 1


@kernel
def write_quotes(text, i, n, out, w, marks):
    """Reads the run of two apostrophes or more at i of text[:n]; returns the bytes after it in text and in out."""
    if i > marks[LINE_END]:
        w = end_line(out, w, marks)
        _begin_line(text, i, n, w, marks)
    end = i
    while end < n and text[end] == 39:
        end += 1
    size = end - i
    literal = 1 if size == 4 else max(0, size - 5)
    for _ in range(literal):
        out[w] = 39
        w += 1
    size -= literal
    if size != 3:
        marks[ITALICS] += 1
    if size != 2:
        marks[BOLDS] += 1
    if size == 3:
        last = out[w - 1] if w > marks[SEGMENT] else np.uint8(0)
        before = out[w - 2] if w > marks[SEGMENT] + 1 else last
        if last == 32:
            if marks[SPACED] < 0:
                marks[SPACED] = w
        elif before == 32:
            if marks[SINGLE] < 0:
                marks[SINGLE] = w
        elif marks[MANY] < 0:
            marks[MANY] = w
    marks[SEGMENT] = w
    return end, w
