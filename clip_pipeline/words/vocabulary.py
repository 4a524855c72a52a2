"""Which words are kept, and how many were dropped for which reason."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.recipes import WordsSettings
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.words.stop_words import STOP_WORDS

logger = logging.getLogger(__name__)

ENGLISH_WORD = r"^[a-z]+(['-][a-z]+)*$"


def select_words(counts: pa.Table, settings: WordsSettings) -> tuple[pa.Table, dict[str, int]]:
    """The words that pass every filter, as WORD_COUNTS, the most frequent first, then by the alphabet.

    counts: WORD_COUNTS. Returns the kept rows and the number of dropped ones by reason. A word is counted under the first
    reason that holds: too_rare (at most `min_count` occurrences), too_short (fewer than `min_length` letters),
    not_english (other characters than a to z, ' and - inside), stop_word, over_max_words.
    """
    kept = counts.sort_by([("count", "descending"), ("word", "ascending")])
    reasons = {}

    def drop(reason: str, mask: pa.ChunkedArray) -> None:
        nonlocal kept
        before = len(kept)
        kept = kept.filter(pc.invert(mask))
        reasons[reason] = before - len(kept)

    drop("too_rare", pc.less_equal(kept["count"], settings.min_count))
    letters = pc.utf8_length(pc.replace_substring_regex(kept["word"], "['-]", ""))
    drop("too_short", pc.less(letters, settings.min_length))
    if settings.script == "english":
        drop("not_english", pc.invert(pc.match_substring_regex(kept["word"], ENGLISH_WORD)))
    if settings.stop_words != "none":
        drop("stop_word", pc.is_in(kept["word"], pa.array(sorted(STOP_WORDS))))
    if settings.max_words:
        reasons["over_max_words"] = max(0, len(kept) - settings.max_words)
        kept = kept.slice(0, settings.max_words)
    dropped = ", ".join(f"{reason} {number:,}" for reason, number in reasons.items())
    logger.info("Kept %s of %s words (%s)", f"{len(kept):,}", f"{len(counts):,}", dropped)
    return kept.cast(WORD_COUNTS).combine_chunks(), reasons


def write_vocabulary(table: pa.Table, folder: Path) -> None:
    """`vocabulary.parquet`, and `words.txt` with one word a line in the same order (UTF-8)."""
    import pyarrow.parquet as pq

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "vocabulary.parquet", compression="zstd")
    words = table["word"].to_pylist()
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8", newline="\n")
