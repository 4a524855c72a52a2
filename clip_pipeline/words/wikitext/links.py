# mypy: disable-error-code="assignment"
"""Links of wikitext: labels stay, captions of images stay on lines of their own, addresses and categories go.

Compiled; text is UTF-8 as a uint8 array with at least 64 further bytes, all 0, after its end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clip_pipeline.words.wikitext.characters import SPACE, code_point_at, flags_at, kernel, short_name_at, skip_space
from clip_pipeline.words.wikitext.elements import NameTable, find_name, make_name_table

CAPTION_BEGINS, CAPTION_ENDS = 1, 2
"""Characters around the caption of an image; each breaks the line too. No XML text holds them."""
IMAGE, SOUND, CATEGORY = 0, 1, 2
"""Kinds of links without a label: to a file that is shown, to a media file, to a category."""
DEEPEST_LINK = 16
"""Links inside links beyond this depth are not resolved, which keeps the time linear."""

_OPTIONS = dict.fromkeys(
    ("thumb", "thumbnail", "frame", "framed", "frameless", "border", "left", "right", "center", "centre", "none", "baseline",
     "middle", "sub", "super", "top", "bottom"), 1,
) | dict.fromkeys(("alt", "link", "page", "lang", "class", "start", "end", "thumbtime"), 2)  # fmt: skip
_OPTIONS |= {"upright": 3, "text": 4, "thumb": 5, "thumbnail": 5, "top": 6, "bottom": 6}

_STOPS = np.zeros(256, np.bool_)
_STOPS[[ord(c) for c in "[]:\0"]] = True
_ENDS_URL = np.zeros(256, np.bool_)
_ENDS_URL[[ord(c) for c in '[]<>"|{}\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f ']] = True


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
    """The options of an image that are told by their first word."""
    return make_name_table(_OPTIONS)


@kernel
def _scheme_end(text, i):
    """The byte after "http://", "//", "mailto:" ... at i; -1 where no external link begins there."""
    c = text[i]
    if c == 47:
        return i + 2 if text[i + 1] == 47 else -1
    if c == 104:  # http:// or https://
        if text[i + 1] != 116 or text[i + 2] != 116 or text[i + 3] != 112:
            return -1
        i += 5 if text[i + 4] == 115 else 4
    elif c == 102:  # ftp://
        if text[i + 1] != 116 or text[i + 2] != 112:
            return -1
        i += 3
    elif c == 105:  # irc://
        if text[i + 1] != 114 or text[i + 2] != 99:
            return -1
        i += 3
    elif c == 109:  # mailto:
        if (
            text[i + 1] == 97
            and text[i + 2] == 105
            and text[i + 3] == 108
            and text[i + 4] == 116
            and text[i + 5] == 111
            and text[i + 6] == 58
        ):
            return i + 7
        return -1
    else:
        return -1
    return i + 3 if text[i] == 58 and text[i + 1] == 47 and text[i + 2] == 47 else -1


@kernel
def _external_link(text, i, n, flags):
    """Where label and closing bracket of the external link that begins with "[" at i are; -1, -1 where there is none."""
    j = _scheme_end(text, i + 1)
    if j < 0 or j > n:
        return -1, -1
    while j < n and text[j] != 91 and text[j] != 93:
        flag, size = flags_at(text, j, flags)
        if flag & SPACE:
            break
        j += size
    while j < n and (text[j] == 32 or text[j] == 9):
        j += 1
    label = j
    while j < n and text[j] != 91 and text[j] != 93 and text[j] != 10:
        j += 1
    if j < n and text[j] == 93:
        return label, j
    return -1, -1


@kernel
def _opens_link(text, i, n, flags):
    """Whether the "[[" at i opens a link, and not its second bracket an external link, or its last two of three a link."""
    if text[i + 2] == 91 and text[i + 3] != 91:
        return _external_link(text, i + 2, n, flags)[0] >= 0
    return _external_link(text, i + 1, n, flags)[0] < 0


@kernel
def _url_end(text, i, n, flags, bracket):
    """The byte after the address that goes on at i. `bracket` is a closing bracket that is already spoken for."""
    while i < n:
        c = text[i]
        if c < 128:
            if _ENDS_URL[c] and i != bracket:
                break
            i += 1
        else:
            flag, size = flags_at(text, i, flags)
            if flag & SPACE:
                break
            i += size
    return i


@kernel
def _scheme_before(text, w):
    """The size of "http", "https" or "ftp" that ends before byte w; 0 where there is none."""
    if w >= 4 and text[w - 1] == 112 and text[w - 2] == 116 and text[w - 3] == 116 and text[w - 4] == 104:
        return 4
    if (
        w >= 5
        and text[w - 1] == 115
        and text[w - 2] == 112
        and text[w - 3] == 116
        and text[w - 4] == 116
        and text[w - 5] == 104
    ):
        return 5
    if w >= 3 and text[w - 1] == 112 and text[w - 2] == 116 and text[w - 3] == 102:
        return 3
    return 0


@kernel
def _special_prefix(text, i, end, names, characters):
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
def _is_language_link(text, i, end):
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
def _is_option(text, i, end, flags, options):
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
def _close_link(text, start, w, names, options, characters):
    """Writes what a reader sees of the link text[start + 2:w] to `start`; returns the byte after it."""
    begin = start + 2
    text[w] = 0  # was read already; ends the last name here
    kind, after = _special_prefix(text, begin, w, names, characters)
    if kind >= 0:
        stop = w
        j = w - 1
        while kind != CATEGORY and j >= after:
            if text[j] == 124:
                if not _is_option(text, j + 1, stop, characters.flags, options):
                    return _write_caption(text, j + 1, stop, start, kind)
                stop = j
            j -= 1
        text[start] = 32
        return start + 1
    if _is_language_link(text, begin, w):
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
def resolve_links(text, n, characters, names, options, stack):
    """[[a|b]] to b, [[a]] to a, [http://a b] to b, an image to its caption, addresses and categories to nothing; in place.

    Inner links come first, so that a caption has none left when its image's turn comes. stack: int64, DEEPEST_LINK
    cells. Returns the new length.
    """
    w = np.int64(0)
    i = np.int64(0)
    depth = np.int64(0)
    too_deep = 0
    bracket = np.int64(-1)  # closes an external link whose label is being copied
    while i < n:
        c = text[np.uint64(i)]
        while not _STOPS[c]:
            text[np.uint64(w)] = c
            w += 1
            i += 1
            c = text[np.uint64(i)]
        if i >= n:
            break
        if c == 91:
            label, closing = _external_link(text, i, n, characters.flags)
            if label >= 0:
                bracket = closing
                i = label
                continue
            if text[i + 1] == 91 and i + 1 < n and _opens_link(text, i, n, characters.flags):
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
                    w = _close_link(text, stack[depth], w, names, options, characters)
                else:
                    text[w] = 32
                    w += 1
                i += 2
                continue
        elif c == 58 and text[i + 1] == 47 and text[i + 2] == 47:
            scheme = _scheme_before(text, w)
            if scheme > 0:
                end = _url_end(text, i + 3, n, characters.flags, bracket)
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
