# mypy: disable-error-code="assignment"
"""External links of wikitext: where [http://a b] and bare addresses begin and end. Compiled; text as in `links.py`."""

from __future__ import annotations

import numpy as np

from clip_pipeline.words.wikitext.characters import SPACE, flags_at
from clip_pipeline.words.wikitext.code_points import kernel

_ENDS_URL = np.zeros(256, np.bool_)
_ENDS_URL[[ord(c) for c in '[]<>"|{}\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f ']] = True


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
def external_link(text, i, n, flags):
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
def opens_link(text, i, n, flags):
    """Whether the "[[" at i opens a link, and not its second bracket an external link, or its last two of three a link."""
    if text[i + 2] == 91 and text[i + 3] != 91:
        return external_link(text, i + 2, n, flags)[0] >= 0
    return external_link(text, i + 1, n, flags)[0] < 0


@kernel
def url_end(text, i, n, flags, bracket):
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
def scheme_before(text, w):
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
