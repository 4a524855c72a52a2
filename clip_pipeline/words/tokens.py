"""What a word is: the one definition that counts, captions and searches share.

A word is a run of letters and digits of any script with at least one letter, in lower case; apostrophes and hyphens may
stand inside it: don't, x-ray, mp3. Typographic apostrophes are made straight; dashes separate. Marks such as the vowel
signs of हिन्दी and ไทย, and accents of their own, belong to the letter before them.
"""

from __future__ import annotations

import functools
import re
import unicodedata

_ASCII_WORD = re.compile(r"\w+(?:['-]\w+)*")
_DOTTED_I = re.compile("i\u0307+")
LAST_MARK = 0x1FFFF
"""No script has marks above; the variation selectors there are none of a word."""


@functools.cache
def combining_marks() -> str:
    """All characters that continue a word but begin none: Unicode's Mn and Mc without the variation selectors (20 ms)."""
    characters = map(chr, (*range(0x300, 0xFE00), *range(0xFE10, LAST_MARK + 1)))
    return "".join(character for character in characters if unicodedata.category(character) in ("Mn", "Mc"))


@functools.cache
def _word() -> re.Pattern[str]:
    letters = rf"\w[\w{combining_marks()}]*"
    return re.compile(rf"{letters}(?:['-]{letters})*")


def find_tokens(text: str) -> list[str]:
    """All words of a text in order, and tokens without a letter, such as years, among them (see `has_letter`)."""
    text = text.lower()
    if "_" in text:
        text = text.replace("_", " ")
    if text.isascii():
        return _ASCII_WORD.findall(text)
    # The lower case of İ is an i and a dot above it; with the dot it would be another word than with a plain i.
    return _word().findall(_DOTTED_I.sub("i", text).replace("’", "'"))


def has_letter(token: str) -> bool:
    return any(character.isalpha() for character in token)


def split_words(text: str) -> list[str]:
    """The words of a text in order: split_words("Don't paint 3 x-rays!") == ["don't", "paint", "x-rays"]."""
    return [token for token in find_tokens(text) if has_letter(token)]
