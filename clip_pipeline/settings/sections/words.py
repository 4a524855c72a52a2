"""The settings `words`: which words are kept."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class WordsSettings(CheckedSettings):
    """Which words are kept."""

    rules: str = setting(
        "plain",
        "What a word is: plain, or wikipedia-word-frequency for the rules of the well-known list of that name.",
        choices=("plain", "wikipedia-word-frequency"),
    )
    possessives: bool = setting(
        False,
        "Keep possessives such as lincoln's as words of their own. Off, they count for their word, lincoln; the rules of the "
        "well-known list always keep them.",
    )
    segmentation: str = setting(
        "auto",
        "Text of languages that are written without spaces (zh, ja, th, km, lo, my, by the dump's language): auto has ICU cut it into "
        "words, which the extra `segmentation` installs; none takes what stands between marks of punctuation.",
        choices=("auto", "none"),
    )
    min_count: int = setting(100, "Words that occur at most this often are dropped.", low=0)
    min_documents: int = setting(
        0, "Words that occur in fewer articles are dropped; the rules of the well-known list ask for 3.", low=0
    )
    min_length: int = setting(2, "Shortest word kept, in letters.", low=1)
    script: str = setting(
        "english",
        "Letters that words are made of: english for a to z, latin for accents too, another script, or any.",
        choices=(
            *("english", "latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "tamil", "thai"),
            *("georgian", "armenian", "hangul", "kana", "han", "any"),
        ),
    )
    digits: bool = setting(False, "Keep words with digits inside, such as mp3.")
    proper_nouns: bool = setting(True, "Keep words that are written with a capital 95 times of 100, such as names.")
    stop_words: str = setting(
        "en",
        "Function words to drop (the, of, and ...): languages such as de,en (of de, en, es, fr, it, nl, pl, pt, ru, sv), a "
        "file with one a line, or none.",
    )
    order: str = setting(
        "frequent",
        "The most useful words first: frequent in the text, or captioned, frequent in the captions of its images.",
        choices=("frequent", "captioned"),
    )
    max_words: int = setting(0, "Keep only this many of the first words in that order; 0 keeps all.", low=0)
