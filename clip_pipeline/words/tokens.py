"""What a word is: the one definition that counts, captions and searches share.

A word is a run of letters and digits of any script with at least one letter, in lower case; apostrophes and hyphens may
stand inside it: don't, x-ray, mp3. Typographic apostrophes are made straight; dashes separate.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:['-]\w+)*")


def find_tokens(text: str) -> list[str]:
    """All words of a text in order, and tokens without a letter, such as years, among them (see `has_letter`)."""
    # The lower case of İ is an i and a dot above it, which is no part of a word and would cut it in two.
    text = text.lower().replace("i\u0307", "i")
    if "_" in text:
        text = text.replace("_", " ")
    return _WORD.findall(text.replace("’", "'"))


def has_letter(token: str) -> bool:
    return any(character.isalpha() for character in token)


def split_words(text: str) -> list[str]:
    """The words of a text in order: split_words("Don't paint 3 x-rays!") == ["don't", "paint", "x-rays"]."""
    return [token for token in find_tokens(text) if has_letter(token)]
