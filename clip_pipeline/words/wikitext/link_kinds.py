# mypy: disable-error-code="assignment"
"""What an internal link is: of a file that is shown, a media file, a category, another language, or an ordinary one.

Compiled; text as in `links.py`.
"""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import skip_space
from clip_pipeline.words.wikitext.code_points import kernel
from clip_pipeline.words.wikitext.elements import find_name
from clip_pipeline.words.wikitext.names import is_named, name_end

IMAGE, SOUND, CATEGORY = 0, 1, 2
"""Kinds of links without a label: to a file that is shown, to a media file, to a category."""


@kernel
def special_prefix(text, i, end, names, characters):
    """The kind of the link whose content is text[i:end], and the byte after its "File:"; -1 for an ordinary link."""
    i = skip_space(text, i, end, characters.flags)
    first = 0
    for name in range(names.ends.size):
        last = names.ends[name]
        j = name_end(text, i, end, names.codes, first, last, characters)
        if j >= 0:
            j = skip_space(text, j, end, characters.flags)
            if j < end and text[j] == 58:
                return names.kinds[name], j + 1
        first = last
    return -1, 0


@kernel
def code_name_at(text, i, end):
    """The code of a language at byte i, letters and hyphens, packed as by `short_name_at` (0, 0 where over 16), and the byte after."""
    first, second = np.uint64(0), np.uint64(0)
    start = i
    while i < end and (97 <= text[i] | 32 <= 122 or text[i] == 45):
        size = i - start
        c = np.uint64(text[i] | 32)  # a hyphen stays one
        if size < 8:
            first |= c << np.uint64(8 * size)
        elif size < 16:
            second |= c << np.uint64(8 * (size - 8))
        else:
            return np.uint64(0), np.uint64(0), i
        i += 1
    return first, second, i


@kernel
def is_language_link(text, i, end, codes):
    """Whether text[i:end] links to another language: by the code of one, or, where no bar follows, by what may be one."""
    first, second, j = code_name_at(text, i, end)
    if j >= end or text[j] != 58 or j == i:
        return False
    return find_name(codes, first, second) != 0 or _may_be_language_link(text, i, end)


@kernel
def _may_be_language_link(text, i, end):
    """Whether text[i:end] reads [a-z]{2,3}(-[a-z-]{2,12})?: and no bracket or bar after it."""
    start = i
    while i < end and 97 <= text[i] <= 122 and i - start < 4:
        i += 1
    if not 2 <= i - start <= 3:
        return False
    if i < end and text[i] == 45:
        i += 1
        start = i
        while i < end and (97 <= text[i] <= 122 or text[i] == 45) and i - start < 13:
            i += 1
        if not 2 <= i - start <= 12:
            return False
    if i >= end or text[i] != 58:
        return False
    while i < end:
        if text[i] == 91 or text[i] == 93 or text[i] == 124:
            return False
        i += 1
    return True


@kernel
def is_option(text, i, end, characters, options):
    """Whether the parameter text[i:end] of an image is an option such as thumb, left, 250px or alt=..., as the wiki calls them."""
    i = skip_space(text, i, end, characters.flags)
    while end > i and (text[end - 1] == 32 or 9 <= text[end - 1] <= 13):
        end -= 1
    if i == end:
        return True
    first = 0
    for name in range(options.ends.size):
        last = options.ends[name]
        if is_named(text, i, end, options.codes, first, last, characters):
            return True
        first = last
    return False
