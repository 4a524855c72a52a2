# mypy: disable-error-code="assignment"
"""What an internal link is: of a file that is shown, a media file, a category, another language, or an ordinary one.

Compiled; text as in `links.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.characters import code_point_at, kernel, short_name_at, skip_space
from clip_pipeline.words.wikitext.elements import NameTable, find_name, make_name_table

IMAGE, SOUND, CATEGORY = 0, 1, 2
"""Kinds of links without a label: to a file that is shown, to a media file, to a category."""

_OPTIONS = dict.fromkeys(
    ("thumb", "thumbnail", "frame", "framed", "frameless", "border", "left", "right", "center", "centre", "none", "baseline",
     "middle", "sub", "super", "top", "bottom"), 1,
) | dict.fromkeys(("alt", "link", "page", "lang", "class", "start", "end", "thumbtime"), 2)  # fmt: skip
_OPTIONS |= {"upright": 3, "text": 4, "thumb": 5, "thumbnail": 5, "top": 6, "bottom": 6}


class LinkNames(NamedTuple):
    """codes: int32, the names' code points in lower case, blanks as 32, one after the other; ends: where each ends;
    kinds: IMAGE, SOUND or CATEGORY for each."""

    codes: np.ndarray
    ends: np.ndarray
    kinds: np.ndarray


def make_link_names(names: dict[str, int]) -> LinkNames:
    """names: IMAGE, SOUND or CATEGORY by the name of a namespace, as the wiki writes it."""
    lowered = {name.lower().replace("_", " "): kind for name, kind in names.items() if name}
    codes = [ord(character) for name in lowered for character in name]
    ends = np.cumsum([len(name) for name in lowered])
    return LinkNames(np.array(codes, np.int32), ends.astype(np.int64), np.array([*lowered.values()], np.int64))


def option_table() -> NameTable:
    """The options of an image that are known by their first word."""
    return make_name_table(_OPTIONS)


@kernel
def special_prefix(text, i, end, names, characters):
    """The kind of the link whose content is text[i:end], and the byte after its "File:"; -1 for an ordinary link."""
    i = skip_space(text, i, end, characters.flags)
    first = 0
    for name in range(names.ends.size):
        last = names.ends[name]
        j = i
        place = first
        while place < last and j < end:
            if text[j] < 128:
                code, size = np.int64(text[j]), 1
            else:
                code, size = code_point_at(text, j)
            if code == 95:
                code = 32
            if code < characters.lower.size:
                code = np.int64(characters.lower[code])
            if code != names.codes[place]:
                break
            place += 1
            j += size
        if place == last:
            j = skip_space(text, j, end, characters.flags)
            if j < end and text[j] == 58:
                return names.kinds[name], j + 1
        first = last
    return -1, 0


@kernel
def is_language_link(text, i, end):
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
def is_option(text, i, end, flags, options):
    """Whether the parameter text[i:end] of an image is an option such as thumb, left, 250px or alt=..."""
    i = skip_space(text, i, end, flags)
    while end > i and (text[end - 1] == 32 or 9 <= text[end - 1] <= 13):
        end -= 1
    if i == end:
        return True
    if end - i >= 3 and (text[end - 1] | 32) == 120 and (text[end - 2] | 32) == 112:
        j = i
        while j < end - 2 and (48 <= text[j] <= 57 or (text[j] | 32) == 120 or text[j] == 32 or 9 <= text[j] <= 13):
            j += 1
        if j == end - 2:
            return True
    first, second, j = short_name_at(text, i)
    kind = find_name(options, first, second)
    if kind == 0 or j > end:
        return False
    if kind == 1 or kind == 6:
        return j == end
    if kind == 3:  # upright, upright=1.2, upright 1.2
        j = skip_space(text, j, end, flags)
        if j < end and text[j] == 61:
            j = skip_space(text, j + 1, end, flags)
        while j < end and (48 <= text[j] <= 57 or text[j] == 46):
            j += 1
        return j == end
    if kind == 4:  # text-top, text-bottom
        if text[j] != 45:
            return False
        first, second, j = short_name_at(text, j + 1)
        return j == end and find_name(options, first, second) == 6
    if kind == 5 and j == end:  # thumb, thumbnail, thumb=...
        return True
    j = skip_space(text, j, end, flags)
    return j < end and text[j] == 61
