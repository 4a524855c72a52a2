"""The settings `pairs`: which pairs are valid, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class PairsSettings(CheckedSettings):
    """Which pairs are valid, and how they are split."""

    validation_percent: float = setting(4.0, "Share of the photos for validation, in percent.", low=0, high=50)
    test_percent: float = setting(8.0, "Share of the photos for the test, in percent.", low=0, high=50)
    min_caption_words: int = setting(
        2,
        "Captions with fewer words are dropped. Of a script without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, "
        "Burmese, Tibetan) each character counts as a word.",
        low=1,
    )
    max_caption_words: int = setting(
        0,
        "Captions with more words are dropped; 0 keeps all. A caption without any space counts the characters of such scripts, one "
        "with spaces what stands between them.",
        low=0,
    )
    max_caption_chars: int = setting(400, "Longer captions are cut at a word, in characters.", low=10)
    caption_script: str = setting(
        "any",
        "Script that most letters of a caption must be in; any keeps all.",
        choices=(
            *("latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "tamil", "thai"),
            *("georgian", "armenian", "hangul", "kana", "han", "any"),
        ),
    )
    caption_language: str = setting(
        "any", "Language that captions must be in, recognised by its function words, such as en; any keeps all."
    )
    max_caption_photos: int = setting(
        0, "Captions that more photos share than this are dropped, as file names and slogans are; 0 keeps all.", low=0
    )
    min_side: int = setting(0, "Photos whose original's shorter side is below this are dropped, in pixels.", low=0)
    max_aspect: float = setting(
        0.0, "Photos whose longer side is more than this many times the shorter are dropped; 0 keeps all.", low=0
    )
    max_text_share: float = setting(
        1.0, "Photos that show text on more than this share of their area are dropped; 1 keeps all.", low=0, high=1
    )
    min_similarity: float = setting(
        0.0,
        "Photos whose captions fit them less, by the similarity that LAION's lists give, are dropped (0.3 is LAION-400M's), "
        "before a list of urls is downloaded; 0 keeps all.",
        low=0,
        high=1,
    )
    allowed_nsfw: str = setting(
        "any",
        "What a list's column NSFW may say, such as UNLIKELY or UNLIKELY,UNSURE; any keeps all. Photos of which it says "
        "nothing are dropped too, here and below.",
    )
    max_unsafe: float = setting(
        1.0,
        "Photos that a list (punsafe) thinks unfit with more than this probability are dropped; 1 keeps all.",
        low=0,
        high=1,
    )
    max_watermark: float = setting(
        1.0,
        "Photos that a list (pwatermark) thinks watermarked with more than this probability are dropped; 1 keeps all.",
        low=0,
        high=1,
    )
    duplicate_bits: int = setting(
        4, "Photos whose perceptual hashes differ in at most this many of 64 bits are near-duplicates.", low=0, high=16
    )
    seed: int = setting(0, "Seed of the split.")
