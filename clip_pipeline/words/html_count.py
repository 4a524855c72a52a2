"""How often each word occurs in the HTML articles of a dump: by the same compiled counter as wikitext, in bounded memory."""

from __future__ import annotations

import logging
import multiprocessing
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import numpy as np

from clip_pipeline.errors import DumpError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.parent_process import end_with_multiprocessing_parent
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.wikimedia.dump_files import DumpPart
from clip_pipeline.sources.wikimedia.html_dumps import HtmlArticle, iter_html_articles
from clip_pipeline.words.count import PartCounts, number_of_rules
from clip_pipeline.words.html import HtmlText, html_text, is_disambiguation_html, is_redirect_html
from clip_pipeline.words.segmentation import segmenter_of
from clip_pipeline.words.sorted_runs import merge_runs, write_run
from clip_pipeline.words.table import MAX_ENTRIES, WordTable
from clip_pipeline.words.wikitext.scanner import PADDING, PLAIN_TEXT

logger = logging.getLogger(__name__)

MIN_PARALLEL_BYTES = 8_000_000
"""Bytes of a file below which one process is done before others have started (about 0.5 s each, 2026-11)."""
BATCH_CHARACTERS = 4_000_000
MAX_PROSE_BYTES = 8_000_000
"""Of an article without its markup. The counter takes some 50 bytes of memory for each."""


def count_html_part(
    path: Path,
    part: DumpPart,
    output: Path,
    *,
    workers: int = 1,
    rules: str = "plain",
    possessives: bool = True,
    segmentation: str = "auto",
    work: Path | None = None,
    max_entries: int = MAX_ENTRIES,
    min_parallel_bytes: int = MIN_PARALLEL_BYTES,
    batch_characters: int = BATCH_CHARACTERS,
) -> PartCounts:
    """Writes the words of one part's articles to `output`: Parquet of WORD_COUNTS, sorted by word.

    Redirects, disambiguation pages and other namespaces are passed over. workers: processes that turn HTML to text, 0 for one a
    core; the bytes are the same for any number. rules: a name of RULES. possessives, segmentation: as of `count_part`; here each
    article tells its language. work: folder for what does not fit into memory, a temporary one by default. max_entries: as of
    `WordTable`. min_parallel_bytes: of a part; below, one process does it. batch_characters: handed to a process at a time.
    Raises DumpError as `iter_html_articles`, SettingsError where the text cannot be cut into words here.
    """
    workers = workers or usable_cores()
    if part.end - part.start < min_parallel_bytes:
        workers = 1
    with (
        tempfile.TemporaryDirectory(prefix="runs-", dir=work) as scratch,
        progress(f"Counting words of {part.key}", unit="article") as bar,
    ):
        table = WordTable({}, number_of_rules(rules, possessives), Path(scratch), max_entries)
        for text in _texts_of(iter_html_articles(path, part), workers, batch_characters, segmentation):
            _add_text(table, text.marked)
            bar.advance()
        runs = _all_runs(table, Path(scratch))
        counts = PartCounts(table.articles, write_run(merge_runs(runs), output), table.words, table.possessives)
    logger.info("%s: %s articles, %s words", part.key, f"{counts.articles:,}", f"{counts.occurrences:,}")
    return counts


def _add_text(table: WordTable, text: str) -> None:
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_PROSE_BYTES:
        raise DumpError(f"An article has a text of {len(data):,} bytes, which no wiki has. Get the dump again.")
    table.scan(np.frombuffer(data + bytes(PADDING), np.uint8), 0, len(data), PLAIN_TEXT)


def _all_runs(table: WordTable, folder: Path) -> list[Path]:
    """The table's runs, the rest of it as the last one."""
    last = folder / f"{id(table):x}-last.parquet"
    write_run([table.finish()], last)
    return [*table.runs, last]


def _texts_of(
    articles: Iterable[HtmlArticle], workers: int, batch_characters: int, segmentation: str
) -> Iterator[HtmlText]:
    """The texts of those that count, in their order."""
    if workers < 2:
        for article in articles:
            yield from _texts_of_batch([article], segmentation)
        return
    # Spawned, not forked: the caller may have threads (Dagster does), and a lock that one holds stays locked in a fork.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[list[HtmlText]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_multiprocessing_parent) as pool:
        for batch in _batches(articles, batch_characters):
            waiting.append(pool.submit(_texts_of_batch, batch, segmentation))
            # A bound on the batches under way keeps memory constant where reading is the faster half.
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _batches(articles: Iterable[HtmlArticle], batch_characters: int) -> Iterator[list[HtmlArticle]]:
    batch: list[HtmlArticle] = []
    characters = 0
    for article in articles:
        batch.append(article)
        characters += len(article.html)
        if characters >= batch_characters:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _texts_of_batch(articles: Iterable[HtmlArticle], segmentation: str) -> list[HtmlText]:
    return [
        _text_of(article, segmentation)
        for article in articles
        if article.namespace == 0
        and (article.plain or not (is_redirect_html(article.html) or is_disambiguation_html(article.html)))
    ]


def _text_of(article: HtmlArticle, segmentation: str) -> HtmlText:
    text = HtmlText(article.html) if article.plain else html_text(article.html)
    segmenter = segmenter_of(article.language, segmentation)
    return text if segmenter is None else HtmlText(segmenter.cut(text.marked))
