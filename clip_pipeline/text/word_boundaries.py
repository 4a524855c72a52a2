"""What a word is: the one definition that counts, captions and searches share.

A word is a run of letters and digits of any script with at least one letter, in lower case and in Unicode's form NFC;
apostrophes and hyphens may stand inside it: don't, x-ray, mp3. Typographic apostrophes and hyphens are made plain; dashes
separate. Marks such as the vowel signs of हिन्दी and ไทย, and accents of their own, belong to the letter before them.

As in Unicode's rules for word boundaries (UAX #29), what cannot be seen cuts no word: soft hyphens, word joiners, marks of
direction and variation selectors vanish; joiners (U+200C, U+200D) stay between letters of scripts that are written with them and
vanish elsewhere; the zero-width space separates. A gershayim, also one typed as a quotation mark, stays inside a Hebrew word, and
the middle dot of Catalan inside a Latin one.
"""

from __future__ import annotations

import functools
import re
import unicodedata

LAST_MARK = 0x1FFFF
"""No script has marks above; the variation selectors there are none of a word."""
GERSHAYIM = "\u05f4"
APOSTROPHES = "\u2019\u2018\uff07\u05f3"
"""Read as a plain apostrophe between letters: typographic ones, the full-width one and the Hebrew geresh."""
HYPHENS = "\u2010\u2011"

_SEPARATES = "\u200b"
_NUMBER_SIGNS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Characters of format that are seen."""
JOINERS = "\u200c\u200d"
_JOINED_BLOCKS = (
    (0x600, 0x109F), (0x1780, 0x18AF), (0x1900, 0x1CFF), (0xA800, 0xABFF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFE),
    (0x10A00, 0x11FFF), (0x1E900, 0x1E95F),
)  # fmt: skip
"""Arabic and its kin (Syriac, N'Ko, Rohingya, Adlam), the scripts of India and of those around it, Mongolian: where a joiner makes another word of the same letters."""
_ASCII_WORD = re.compile(r"\w+(?:['-]\w+)*")
MIDDLE_DOT, LETTER_APOSTROPHE, DOT_ABOVE, ABOVE = "\u00b7", "\u02bc", "\u0307", 230
"""ABOVE: the combining class of marks above a letter, which keep their order among each other."""
CAPITAL_SIGMA = "\u03a3"
SMALL_I = "i\u012f\u1e2d\u1ecb"
"""The small i, also with a mark below."""
_HEBREW = "\u05d0-\u05ea"
_LATIN = "a-z\u00df-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_CYRILLIC = "\u0400-\u0481\u048a-\u052f"
_QUOTES = f'"\u201c\u201d{GERSHAYIM}'
_PLAIN = str.maketrans(dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(HYPHENS, "-"))


@functools.cache
def combining_marks() -> str:
    """All characters that continue a word but begin none: Unicode's Mn and Mc without those that vanish (20 ms)."""
    unseen = unseen_characters()
    characters = map(chr, range(0x300, LAST_MARK + 1))
    return "".join(
        character
        for character in characters
        if unicodedata.category(character) in ("Mn", "Mc") and character not in unseen
    )


@functools.cache
def unseen_characters() -> frozenset[str]:
    """What vanishes from words: characters of format and variation selectors, but no joiner and no zero-width space."""
    characters = map(chr, (*range(0xAD, 0x20000), *range(0xE0000, 0xE0200)))
    kept = _NUMBER_SIGNS | frozenset(_SEPARATES + JOINERS)
    selectors = frozenset(map(chr, (0x34F, *range(0x180B, 0x180E), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
    return selectors | {
        character for character in characters if unicodedata.category(character) == "Cf" and character not in kept
    }


def keeps_joiners(character: str) -> bool:
    """Whether a joiner beside this letter or mark is part of the word."""
    return any(first <= ord(character) <= last for first, last in _JOINED_BLOCKS)


@functools.cache
def _unseen() -> re.Pattern[str]:
    return re.compile(f"[{re.escape(''.join(sorted(unseen_characters())))}]+")


@functools.cache
def _loose_joiners() -> re.Pattern[str]:
    """Joiners that are not between letters of a script that is written with them, and all but the first at one place."""
    joined = "".join(f"{chr(first)}-{chr(last)}" for first, last in _JOINED_BLOCKS)
    return re.compile(rf"(?<![{joined}{JOINERS}])[{JOINERS}]+|[{JOINERS}]++(?![{joined}])|(?<=[{JOINERS}])[{JOINERS}]+")


def drop_unseen(text: str) -> str:
    """Without what vanishes from words; joiners stay, one at a place, between letters of scripts that are written with them."""
    if text.isascii():
        return text
    text = _unseen().sub("", text)
    return _loose_joiners().sub("", text) if any(joiner in text for joiner in JOINERS) else text


def _with_final_sigmas(text: str) -> str:
    """Each Σ in lower case: ς where it ends a run of letters that has others before it, else σ. Python's own rule looks for a letter
    behind full stops and apostrophes as well: the last Σ of Ε.Σ. would be a ς."""
    marks = combining_marks()
    found = []
    for match in re.finditer(CAPITAL_SIGMA, text):
        before, after = match.start() - 1, match.end()
        while before >= 0 and text[before] in marks:
            before -= 1
        while after < len(text) and text[after] in marks:
            after += 1
        ends = before >= 0 and text[before].isalpha() and not (after < len(text) and text[after].isalpha())
        found.append("ς" if ends else "σ")
    parts = text.split(CAPITAL_SIGMA)
    return "".join(part + sigma for part, sigma in zip(parts, (*found, ""), strict=True))


@functools.cache
def _word() -> re.Pattern[str]:
    letters = rf"\w(?:[\w{combining_marks()}]|[{JOINERS}](?=[\w{combining_marks()}]))*"
    return re.compile(rf"{letters}(?:['{GERSHAYIM}{MIDDLE_DOT}-]{letters})*")


@functools.cache
def _dotted_i() -> re.Pattern[str]:
    below = "".join(mark for mark in combining_marks() if unicodedata.combining(mark) not in (0, ABOVE))
    return re.compile(f"([{SMALL_I}][{below}]*){DOT_ABOVE}+")


@functools.cache
def _between(letters: str, signs: str) -> re.Pattern[str]:
    """One of the signs after one of the letters, with its marks, and before another."""
    return re.compile(f"([{letters}][{combining_marks()}]*)[{signs}](?=[{letters}])")


def _only_between(letters: str, signs: str, sign: str, text: str) -> str:
    """The signs as `sign` between such letters, and no `sign` elsewhere."""
    if not any(one in text for one in signs):
        return text
    parts = _between(letters, signs).split(text)  # what is before, and the letter, of each
    return "".join(part.replace(sign, " ") + (sign if number % 2 else "") for number, part in enumerate(parts))


def find_tokens(text: str) -> list[str]:
    """All words of a text in order, and tokens without a letter, such as years, among them (see `has_letter`)."""
    if "_" in text:
        text = text.replace("_", " ")
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    text = drop_unseen(text)
    if CAPITAL_SIGMA in text:
        text = _with_final_sigmas(text)
    # What letters are joined by depends on them alone, however their accents are written.
    text = unicodedata.normalize("NFC", text.lower()).translate(_PLAIN)
    # The lower case of İ is an i and a dot above it; with the dot it would be another word than with a plain i.
    if DOT_ABOVE in text:
        text = _dotted_i().sub(r"\1", text)
    text = _only_between(_HEBREW, _QUOTES, GERSHAYIM, text)
    text = _only_between(_LATIN, MIDDLE_DOT, MIDDLE_DOT, text)
    if LETTER_APOSTROPHE in text:
        text = _between(_CYRILLIC, LETTER_APOSTROPHE).sub(r"\1'", text)
    return [unicodedata.normalize("NFC", token) for token in _word().findall(text)]


def has_letter(token: str) -> bool:
    return any(character.isalpha() for character in token)


def split_words(text: str) -> list[str]:
    """The words of a text in order: split_words("Don't paint 3 x-rays!") == ["don't", "paint", "x-rays"]."""
    return [token for token in find_tokens(text) if has_letter(token)]


def without_possessive(word: str) -> str:
    """lincoln of lincoln's; every other word as it is."""
    return word[:-2] if len(word) > 2 and word.endswith("'s") else word
