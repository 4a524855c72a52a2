"""Which captions are kept: by their number of words, their script and their language, each with the reason it is dropped for."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import PairsSettings
from clip_pipeline.text.word_boundaries import find_tokens
from clip_pipeline.words.stop_words import stop_word_languages, stop_words_of

SCRIPT_NAMES = {"HIRAGANA": "kana", "KATAKANA": "kana", "CJK": "han"}
"""Where the first word of a letter's Unicode name is not the name of its script."""

SCRIPTS_WITHOUT_SPACES = (
    *(
        "CJK ",
        "IDEOGRAPHIC ",
        "HIRAGANA ",
        "KATAKANA",
        "HALFWIDTH KATAKANA ",
        "HENTAIGANA ",
        "BOPOMOFO ",
        "YI ",
        "TANGUT ",
    ),
    *("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN ", "TAI ", "NEW TAI LUE ", "JAVANESE ", "BALINESE ", "AHOM "),
)
"""How the Unicode names of letters begin whose scripts write words, or syllables, without spaces between them."""

CLEARLY_MORE = 2
"""Function words that another language must have more: "man" and "men" are such words in Swedish."""


class CaptionRules:
    """Asks of a cleaned caption why it is dropped. Raises SettingsError for a language without a list of function words."""

    def __init__(self, settings: PairsSettings):
        self._settings = settings
        language = settings.caption_language
        if language != "any" and language not in stop_word_languages():
            raise SettingsError(
                f'pairs.caption_language is "{language}", and there is no list of its function words. There are lists for '
                f"{', '.join(stop_word_languages())}; any keeps all."
            )

    def reason(self, caption: str) -> str:
        """too_few_words, too_many_words, other_script or other_language; "" for a caption that is kept."""
        settings, words = self._settings, count_words(caption)
        if words < settings.min_caption_words:
            return "too_few_words"
        # with spaces it may be cut into words already, and is not dropped for its characters
        pieces = len(caption.split())
        if settings.max_caption_words and (words if pieces == 1 else pieces) > settings.max_caption_words:
            return "too_many_words"
        if settings.caption_script != "any" and main_script(caption) != settings.caption_script:
            return "other_script"
        if settings.caption_language != "any" and not may_be_in(caption, settings.caption_language):
            return "other_language"
        return ""


def count_words(caption: str) -> int:
    """What stands between spaces; of a script that writes no spaces between words, each letter (marks above and below it are
    no letters): "red cup" 2, "一只棕色的狗" 6, "iPhone手机" 3."""
    words = caption.split()
    if caption.isascii():
        return len(words)
    return sum(_words_in(word) for word in words)


def _words_in(piece: str) -> int:
    count, inside = 0, False
    for letter in piece:
        if _script_without_spaces(letter):
            count += unicodedata.category(letter)[0] == "L"
            inside = False
        elif not inside:
            inside = letter.isalnum()
            count += inside
    return count or 1


@lru_cache(10_000)
def _script_without_spaces(letter: str) -> bool:
    return letter > "\u0dff" and unicodedata.name(letter, "").startswith(SCRIPTS_WITHOUT_SPACES)


def main_script(text: str) -> str:
    """The script of most of the text's letters, "" where it has none; of two with equally many the first in the alphabet."""
    counts: dict[str, int] = {}
    for letter in text:
        if letter.isalpha():
            script = _script(letter)
            counts[script] = counts.get(script, 0) + 1
    return min(counts, key=lambda script: (-counts[script], script), default="")


@lru_cache(10_000)
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").partition(" ")[0]
    return SCRIPT_NAMES.get(name, name.lower())


def may_be_in(caption: str, language: str) -> bool:
    """False when another language's function words stand in the caption clearly more often than this one's.

    Captions as short as "red cup" have none of any language: they are believed. Of 5,000 captions of Flickr8k, all English,
    99.98 % are taken for English (2026-11-21).
    """
    hits = language_hits(caption)
    return max(hits.values(), default=0) - hits.get(language, 0) < CLEARLY_MORE


def language_hits(caption: str) -> dict[str, int]:
    """For each language with a list, how many of the caption's words are function words of it; without the zeros."""
    hits: dict[str, int] = {}
    for token in find_tokens(caption):
        for language in _languages_of(token):
            hits[language] = hits.get(language, 0) + 1
    return hits


@lru_cache(100_000)
def _languages_of(word: str) -> tuple[str, ...]:
    return tuple(language for language in _all_languages() if word in stop_words_of(language))


@lru_cache(1)
def _all_languages() -> tuple[str, ...]:
    return tuple(stop_word_languages())
