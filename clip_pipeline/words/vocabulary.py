"""Which words are kept, and how many were dropped for which reason."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.settings import WordsSettings
from clip_pipeline.words.stop_words import choose_stop_words

logger = logging.getLogger(__name__)

LETTERS_OF_SCRIPT = {
    "english": "a-z",
    "latin": r"\p{Latin}",
    "cyrillic": r"\p{Cyrillic}",
    "greek": r"\p{Greek}",
    "arabic": r"\p{Arabic}",
    "hebrew": r"\p{Hebrew}",
    "devanagari": r"\p{Devanagari}",
    "bengali": r"\p{Bengali}",
    "tamil": r"\p{Tamil}",
    "thai": r"\p{Thai}",
    "georgian": r"\p{Georgian}",
    "armenian": r"\p{Armenian}",
    "hangul": r"\p{Hangul}",
    "kana": r"\p{Hiragana}\p{Katakana}\x{30fc}",
    "han": r"\p{Han}",
}
"""Character classes (RE2). Kana's mark of length, U+30FC, belongs to no script."""

NAME_SHARE = 0.95
"""Words written with a capital at least this often are taken for names. In the enwiki sample 313 of the 2,819 words that
occur 20 times lie above it, nearly all of them names and what English writes like them (american, april); below it each
five per cent down to 35 hold about 18 words, mostly titles (king 0.77, earth 0.75) (2026-11-21)."""

WORD = "word "
"""Before the reason why a word is left out, where there are others too."""

RULES_MIN_DOCUMENTS = {"plain": 0, "wikipedia-word-frequency": 3}
"""Articles that a word must occur in by the rules of the list itself."""


def select_words(
    counts: pa.Table, settings: WordsSettings, words: int = 0, rare_word: str = ""
) -> tuple[pa.Table, LeftOut]:
    """The words that pass every filter, as WORD_COUNTS, in the order that the settings name, then by the alphabet.

    counts: WORD_COUNTS. words: how many different ones there were, where `counts` holds only those that are not too rare; rare_word:
    one of the others. Returns the kept rows and what was left out, which whoever asked says. A word is counted under the first
    reason that holds, with the most frequent one as the example: too_rare (at most `min_count` occurrences), in_too_few_articles,
    too_short (fewer than `min_length` letters), digits, other_script, proper_noun, stop_word, over_max_words.
    Raises SettingsError or InputError for stop words that there are not.
    """
    stop_words = choose_stop_words(settings.stop_words)
    kept = counts
    left_out = LeftOut()

    def drop(reason: str, mask: pa.ChunkedArray) -> None:
        nonlocal kept
        gone = kept.filter(mask)
        kept = kept.filter(pc.invert(mask))
        left_out.add(WORD + reason, len(gone), _most_frequent(gone))

    words = max(words, len(counts))
    left_out.add(WORD + "too_rare", words - len(counts), rare_word)
    drop("too_rare", pc.less_equal(kept["count"], settings.min_count))
    min_documents = max(settings.min_documents, RULES_MIN_DOCUMENTS[settings.rules])
    if min_documents:
        drop("in_too_few_articles", pc.less(kept["documents"], min_documents))
    letters = pc.utf8_length(pc.replace_substring_regex(kept["word"], r"['\-\p{M}]", ""))
    drop("too_short", pc.less(letters, settings.min_length))
    if not settings.digits:
        drop("digits", pc.match_substring_regex(kept["word"], r"\p{N}"))
    if settings.script != "any":
        drop("other_script", pc.invert(pc.match_substring_regex(kept["word"], _word_pattern(settings))))
    if not settings.proper_nouns:
        drop("proper_noun", pc.greater_equal(kept["capitalised"], pc.multiply(kept["count"], NAME_SHARE)))
    if stop_words:
        drop("stop_word", pc.is_in(kept["word"], pa.array(sorted(stop_words))))
    first = ["captioned", "count"] if settings.order == "captioned" else ["count"]
    kept = kept.sort_by([*((column, "descending") for column in first), ("word", "ascending")])
    if settings.max_words:
        over = kept.slice(settings.max_words)
        left_out.add(WORD + "over_max_words", len(over), _most_frequent(over))
        kept = kept.slice(0, settings.max_words)
    logger.info("Kept %s of %s words", f"{len(kept):,}", f"{words:,}")
    return kept.cast(WORD_COUNTS).combine_chunks(), left_out


def by_reason(left_out: LeftOut) -> dict[str, int]:
    """How many words each filter left out, also none, by the reasons of `select_words`."""
    return {reason.removeprefix(WORD): count for reason, count in left_out.items() if reason.startswith(WORD)}


def _most_frequent(words: pa.Table) -> str:
    if not len(words):
        return ""
    return words["word"][pc.index(words["count"], pc.max(words["count"])).as_py()].as_py()


def _word_pattern(settings: WordsSettings) -> str:
    """Runs of the script's letters, and of digits where they are kept, with ' and - inside."""
    marks = "" if settings.script == "english" else r"\p{M}"
    characters = f"[{LETTERS_OF_SCRIPT[settings.script]}{marks}{'0-9' if settings.digits else ''}]+"
    return f"^{characters}(['-]{characters})*$"


def write_vocabulary(table: pa.Table, folder: Path) -> None:
    """`vocabulary.parquet`, and `words.txt` with one word a line in the same order (UTF-8)."""
    import pyarrow.parquet as pq

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "vocabulary.parquet", compression="zstd")
    words = table["word"].to_pylist()
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8", newline="\n")
