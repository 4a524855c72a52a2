"""Counting dumps of the user's own without artifacts: what `clip-pipeline words` does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.errors import DumpError, SettingsError
from clip_pipeline.settings import WordsSettings
from clip_pipeline.storage.published import published_file
from clip_pipeline.words.sorted_runs import MergedCounts, merge_counts
from clip_pipeline.words.stop_words import choose_stop_words, stop_words_of

SCRIPT_OF_LANGUAGE = {"en": "english", "ru": "cyrillic"}
"""Of the languages with stop words; all others are written in Latin letters."""
OUTPUT_SUFFIXES = (".parquet", ".txt")


def language_settings(language: str) -> tuple[str, str]:
    """The script and the stop words of a language, as words.script and words.stop_words.

    Raises SettingsError for a language without a list.
    """
    stop_words_of(language)
    return SCRIPT_OF_LANGUAGE.get(language, "latin"), language


def count_words(
    dumps: Sequence[str], output: Path, settings: WordsSettings, workers: int
) -> tuple[int, int, dict[str, int]]:
    """Counts the dumps together and writes the words that are kept: as Parquet (WORD_COUNTS) or, as .txt, one a line.

    dumps: files, folders or patterns; XML and HTML may be mixed. Returns how many words are kept, how many there are,
    and the dropped ones by reason. Raises DumpError for dumps that cannot be read or hold no article, SettingsError for an
    output of another kind and for stop words that there are not.
    """
    import pyarrow.parquet as pq

    from clip_pipeline.words.vocabulary import select_words

    if output.suffix.lower() not in OUTPUT_SUFFIXES:
        raise SettingsError(f"{output} is neither .parquet (words with their counts) nor .txt (one word a line).")
    choose_stop_words(settings.stop_words)  # a wrong name is told before hours of counting
    counts = _count_dumps(dumps, workers, settings)
    kept, dropped = select_words(counts.table, settings)
    dropped["too_rare"] += counts.words - len(counts.table)
    with published_file(output) as path:
        if output.suffix.lower() == ".parquet":
            pq.write_table(kept, path, compression="zstd")
        else:
            path.write_text("".join(f"{word}\n" for word in kept["word"].to_pylist()), encoding="utf-8", newline="\n")
    return len(kept), counts.words, dropped


def _count_dumps(dumps: Sequence[str], workers: int, settings: WordsSettings) -> MergedCounts:
    from clip_pipeline.sources.wikimedia.dump_files import DumpPart, check_dump
    from clip_pipeline.sources.wikimedia.dump_set import find_dump_files
    from clip_pipeline.sources.wikimedia.html_dumps import is_html_dump
    from clip_pipeline.words.count import count_part
    from clip_pipeline.words.html_count import count_html_part

    paths = [path for dump in dumps for path in find_dump_files(dump)]
    runs = []
    with tempfile.TemporaryDirectory(prefix="counts-") as work:
        for number, path in enumerate(paths):
            runs.append(Path(work, f"{number}.parquet"))
            if is_html_dump(path):
                part, count = DumpPart("part-000", 0, path.stat().st_size), count_html_part
            else:
                part, count = check_dump(path), count_part
            count(path, part, runs[-1], workers=workers, rules=settings.rules, work=Path(work))
        counts = merge_counts(runs, settings.min_count)
    if not counts.occurrences:
        names = ", ".join(path.name for path in paths[:5])
        raise DumpError(
            f"{names} holds no article (namespace 0, no redirect, no disambiguation), so there are no words. "
            "Give a pages-articles dump, or HTML of articles."
        )
    return counts
