"""The words of Wikipedia dumps of the user's own, counted and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.display.left_out import LeftOut, left_out_sentences
from clip_pipeline.errors import DumpError, SettingsError
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.settings import WordsSettings
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.storage.published import check_output_file, published_file
from clip_pipeline.storage.scratch import scratch_folder
from clip_pipeline.words.stop_words import choose_stop_words, stop_words_of

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.words.sorted_runs import MergedCounts

SCRIPT_OF_LANGUAGE = {"en": "english", "ru": "cyrillic"}
"""Of the languages with stop words; all others are written in Latin letters."""
OUTPUT_SUFFIXES = (".parquet", ".txt")

UNFILTERED = replace(DEFAULTS.words, script="any", stop_words="none", digits=True, min_length=1, possessives=True)
"""The defaults here: a dump may be of any language, so that what is left out is what was asked for. The pipeline's own are
for English (docs/decisions/0014)."""


@dataclass(frozen=True)
class CountedWords:
    """table: the words that are kept, records.WORD_COUNTS. found: different words in the dumps. left_out: words that the filters left
    out and articles that hold no text, with examples. possessives: occurrences of lincoln's and the like that counted for lincoln."""

    table: pa.Table
    found: int
    left_out: LeftOut
    possessives: int = 0

    @property
    def dropped(self) -> dict[str, int]:
        """How many words each filter left out, by reason."""
        from clip_pipeline.words.vocabulary import by_reason

        return by_reason(self.left_out)


def count_words(
    dumps: str | Path | Sequence[str | Path],
    output: str | Path | None = None,
    *,
    language: str = "",
    rules: str = UNFILTERED.rules,
    possessives: bool = UNFILTERED.possessives,
    segmentation: str = UNFILTERED.segmentation,
    min_count: int = UNFILTERED.min_count,
    min_documents: int = UNFILTERED.min_documents,
    min_length: int = UNFILTERED.min_length,
    script: str = UNFILTERED.script,
    digits: bool = UNFILTERED.digits,
    proper_nouns: bool = UNFILTERED.proper_nouns,
    stop_words: str = UNFILTERED.stop_words,
    order: str = UNFILTERED.order,
    max_words: int = UNFILTERED.max_words,
    workers: int = DEFAULTS.compute.workers,
    progress: bool = False,
) -> CountedWords:
    """Counts the dumps together and keeps the words that pass the filters.

    dumps: a file, folder or pattern, or several; XML and HTML may be mixed. output: a file to write, .parquet
    (records.WORD_COUNTS) or .txt (one word a line). language: sets script and stop words for it, such as de, and for en
    that possessives count for their words. The filters are
    the settings of `words`. workers: threads, or processes for HTML; 0 is one a core. progress: show bars on a terminal. The rules
    of "wikipedia-word-frequency" are those of the list of that name. Raises DumpError for dumps that cannot be read or
    hold no article, SettingsError for an output of another kind, for stop words or a value that there are not, and where the filters
    leave no word.
    """
    from clip_pipeline.words.vocabulary import select_words

    if language:
        script, stop_words = _settings_of_language(language)
        possessives = possessives and language != "en"
    settings = WordsSettings(
        rules=rules,
        possessives=possessives,
        segmentation=segmentation,
        min_count=min_count,
        min_documents=min_documents,
        min_length=min_length,
        script=script,
        digits=digits,
        proper_nouns=proper_nouns,
        stop_words=stop_words,
        order=order,
        max_words=max_words,
    )
    output = None if output is None else Path(output)
    if output is not None and output.suffix.lower() not in OUTPUT_SUFFIXES:
        raise SettingsError(f"{output} is neither .parquet (words with their counts) nor .txt (one word a line).")
    if output is not None:
        check_output_file(output)
    choose_stop_words(settings.stop_words)  # a wrong name is said before hours of counting
    with shown_progress(progress):
        counts, merged, left_out = _count_dumps([dumps] if isinstance(dumps, str | Path) else dumps, workers, settings)
    kept, dropped = select_words(counts.table, settings, counts.words, counts.rare_word)
    if not len(kept):
        raise SettingsError(_none_left(counts.words, dropped))
    if output is not None:
        _write(kept, output)
    left_out.take(dropped)
    return CountedWords(kept, counts.words, left_out, merged)


def option_of(setting: str) -> str:
    """What `words.min_count` is called at a terminal: --min-count."""
    return f"--{setting.partition('.')[2].replace('_', '-')}" if setting else ""


def _none_left(words: int, left_out: LeftOut) -> str:
    reason, count, setting, example = left_out.rows()[0]
    return (
        f'None of the {words:,} words is left: {count:,} are of "{reason}", such as "{example}". Change '
        f"{setting.partition('.')[2]} (at a terminal {option_of(setting)}), or count more articles."
    )


def _settings_of_language(language: str) -> tuple[str, str]:
    """words.script and words.stop_words. Raises SettingsError for a language without a list of stop words."""
    stop_words_of(language)
    return SCRIPT_OF_LANGUAGE.get(language, "latin"), language


def _write(kept: pa.Table, output: Path) -> None:
    import pyarrow.parquet as pq

    with published_file(output) as path:
        if output.suffix.lower() == ".parquet":
            pq.write_table(kept, path, compression="zstd")
        else:
            path.write_text("".join(f"{word}\n" for word in kept["word"].to_pylist()), encoding="utf-8", newline="\n")


def _count_dumps(
    dumps: Sequence[str | Path], workers: int, settings: WordsSettings
) -> tuple[MergedCounts, int, LeftOut]:
    """The counts of all dumps, how many possessives counted for their words, and the articles that hold no text."""
    from clip_pipeline.sources.wikimedia.dump_files import DumpPart, check_dump
    from clip_pipeline.sources.wikimedia.dump_set import find_dump_files
    from clip_pipeline.sources.wikimedia.html_dumps import is_html_dump
    from clip_pipeline.words.count import count_part
    from clip_pipeline.words.html_count import count_html_part
    from clip_pipeline.words.sorted_runs import merge_counts

    paths = [path for dump in dumps for path in find_dump_files(str(dump))]
    runs = []
    possessives = 0
    left_out = LeftOut()
    with scratch_folder("counts") as work:
        for number, path in enumerate(paths):
            runs.append(work / f"{number}.parquet")
            html = is_html_dump(path)
            part = DumpPart("part-000", 0, path.stat().st_size) if html else check_dump(path)
            count = count_html_part if html else count_part
            counted = count(
                path,
                part,
                runs[-1],
                workers=workers,
                rules=settings.rules,
                possessives=settings.possessives,
                segmentation=settings.segmentation,
                work=work,
            )
            possessives += counted.possessives
            counted.left_out.say(path.name)
            left_out.take(counted.left_out)
        counts = merge_counts(runs, settings.min_count)
    if not counts.occurrences:
        names = ", ".join(path.name for path in paths[:5])
        without = " ".join(f"Left out were {sentence}." for sentence in left_out_sentences(left_out.rows()))
        raise DumpError(
            f"{names} holds no article (namespace 0, no redirect, no disambiguation), so there are no words. "
            f"{without + ' ' if without else ''}Give a pages-articles dump, or HTML of articles."
        )
    return counts, possessives, left_out
