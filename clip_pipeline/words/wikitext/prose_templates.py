# mypy: disable-error-code="assignment"
"""The few templates that show text of the article: {{quote|...}}, {{w|...}}, {{nowrap|...}}, and {{'}}. Compiled.

All others say something about the article, or to machines, and are dropped.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import short_name_at
from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.elements import NOTHING, NameTable, find_name, make_name_table

QUOTE, LAST = 1, 2
"""Templates that show a block: their first parameter, or the one named text or quote. Those that show their last one in the line."""
_TEMPLATES = dict.fromkeys(
    ("quote", "blockquote", "cquote", "quotation", "poemquote", "zitat", "citazione", "citaat", "cytat"), QUOTE
) | dict.fromkeys(("w", "nowrap", "nobr"), LAST)
_PARAMETERS = {"text": 1, "quote": 1, "1": 1}
_MAY_BEGIN = np.zeros(256, np.bool_)
for _name in _TEMPLATES:
    _MAY_BEGIN[[ord(_name[0]), ord(_name[0].upper())]] = True
_MAY_BEGIN[[ord("'"), ord(" ")]] = True


def template_table() -> NameTable:
    """The names of the templates whose text is shown."""
    return make_name_table(_TEMPLATES)


def parameter_table() -> NameTable:
    """The names of a quotation's parameter that holds the text."""
    return make_name_table(_PARAMETERS)


@kernel
def _skip_blanks(text, i):
    while text[i] == 32 or 9 <= text[i] <= 13:
        i += 1
    return i


@kernel
def _parameter_end(text, i, end):
    """The bar that ends the parameter at i, or `end`; bars within links do not."""
    depth = 0
    while i < end:
        if text[i] == 91 and text[i + 1] == 91:
            depth += 1
            i += 1
        elif text[i] == 93 and text[i + 1] == 93:
            depth = max(0, depth - 1)
            i += 1
        elif text[i] == 124 and depth == 0:
            return i
        i += 1
    return end


@kernel
def _value_of(text, i, end, parameters):
    """Where the value of the parameter text[i:end] begins, and its kind: 1 named as the text, 0 without a name, -1 another's."""
    first, second, j = short_name_at(text, _skip_blanks(text, i))
    k = _skip_blanks(text, j)
    if k < end and text[k] == 61:
        return k + 1, 1 if find_name(parameters, first, second) else -1
    while k < end and text[k] != 61 and text[k] != 91 and text[k] != 60 and text[k] != 32:
        k += 1
    return (k + 1, -1) if k < end and text[k] == 61 else (i, 0)


@kernel
def write_template(text, start, w, templates, parameters):
    """Writes to `start` what a reader sees of the template text[start:w], whose closing braces were not copied; returns the byte after."""
    i = start + 2
    if _MAY_BEGIN[text[i]]:
        if text[i] == 39 and w - i <= 2 and (w - i == 1 or text[i + 1] == 115):  # {{'}} and {{'s}}
            size = w - i
            # The apostrophe must not become a mark of italics with those beside it.
            text[start] = NOTHING
            for j in range(size):
                text[start + 1 + j] = text[i + j]
            text[start + 1 + size] = NOTHING
            return start + 2 + size
        first, second, j = short_name_at(text, _skip_blanks(text, i))
        kind = find_name(templates, first, second)
        j = _skip_blanks(text, j)
        if kind and j < w and text[j] == 124:
            begin, end = np.int64(-1), w
            named = False
            while j < w:
                stop = _parameter_end(text, j + 1, w)
                value, how = _value_of(text, j + 1, stop, parameters)
                if how >= 0 and not named and (begin < 0 or how == 1 or kind == LAST):
                    begin, end = value, stop
                    named = how == 1
                j = stop
            if begin >= 0:
                edge = 10 if kind == QUOTE else NOTHING
                text[start] = edge
                for j in range(begin, end):
                    text[start + 1 + j - begin] = text[j]
                text[start + 1 + end - begin] = edge
                return start + 2 + end - begin
    text[start] = 32
    return start + 1
