"""How often each word occurs in the articles of a dump, and in how many of them.

Threads count, each into a table of its own: decompression and the scanner run without the interpreter's lock. Counts add
up, so parts, threads and their order change nothing in the result. Tables that are full go to disk, sorted by word, and
are merged at the end a stretch of the alphabet at a time: memory does not grow with the text.
"""

from __future__ import annotations

import logging
import queue
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from clip_pipeline.errors import DumpError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.wikimedia.dump_files import DumpPart, part_pieces, split_part
from clip_pipeline.words.left_out import LeftOutPages
from clip_pipeline.words.reading import PageCounter, page_chunks, read_site
from clip_pipeline.words.segmentation import segmenter_of
from clip_pipeline.words.sorted_runs import MAX_ROWS, MIN_ROWS, merge_runs, sum_counts, write_run
from clip_pipeline.words.table import MAX_ENTRIES, MIN_ENTRIES, WordTable
from clip_pipeline.words.wiki_names import Site, has_variants, image_options, link_names
from clip_pipeline.words.wikitext.word_counter import PLAIN, POSSESSIVES_MERGED, WORD_FREQUENCY

logger = logging.getLogger(__name__)

RULES = {"plain": PLAIN, "wikipedia-word-frequency": WORD_FREQUENCY}


def number_of_rules(rules: str, possessives: bool) -> int:
    """What the scanner calls them. possessives: whether lincoln's is a word of its own; the rules of the list leave them."""
    return POSSESSIVES_MERGED if rules == "plain" and not possessives else RULES[rules]


MIN_PARALLEL_BYTES = 1_000_000
"""Compressed bytes below which one thread is done before a second one is worth its table."""
MAX_RANGE_BYTES = 16_000_000
"""Compressed bytes that a thread takes at a time, so that all threads end at about the same time. Each cut costs the
decompression of a block, 25 ms (2026-11-21)."""


@dataclass(frozen=True)
class CountLimits:
    """How much is held in memory, and below which size a second thread is not worth it.

    max_entries, min_entries: as of `WordTable`, for one thread. max_rows, min_rows: as of `merge_runs`. min_parallel_bytes:
    compressed bytes of a part.
    """

    max_entries: int = MAX_ENTRIES
    min_entries: int = MIN_ENTRIES
    max_rows: int = MAX_ROWS
    min_rows: int = MIN_ROWS
    min_parallel_bytes: int = MIN_PARALLEL_BYTES


@dataclass(frozen=True)
class PartCounts:
    """What was counted: words are distinct, occurrences are not.

    possessives: occurrences of lincoln's and the like that counted for lincoln. left_out: articles that were not counted, which
    whoever asked says.
    """

    articles: int
    words: int
    occurrences: int
    possessives: int = 0
    left_out: LeftOutPages = field(default_factory=LeftOutPages)


def count_part(
    path: Path,
    part: DumpPart,
    output: Path,
    *,
    workers: int = 1,
    rules: str = "plain",
    possessives: bool = True,
    segmentation: str = "auto",
    work: Path | None = None,
    limits: CountLimits | None = None,
) -> PartCounts:
    """Writes the words of one part's articles to `output`: Parquet of WORD_COUNTS, sorted by word.

    workers: threads, 0 for one a core; the bytes are the same for any number of them.
    rules: a name of RULES. possessives: whether lincoln's is a word beside lincoln. segmentation: auto cuts the text of wikis whose
    language is written without spaces, none leaves it. work: folder for what does not fit into memory, a temporary one by default. limits: of memory and of
    parallel work; they change no count.
    Raises DumpError where the part is cut, damaged or no MediaWiki export; SettingsError where the text cannot be cut into words here.
    """
    number = number_of_rules(rules, possessives)
    with _Counting(number, segmentation, workers, work, limits or CountLimits()) as counting:
        counting.add_part(Path(path), part)
        counts = PartCounts(
            counting.articles,
            write_run(counting.merged(), output),
            counting.occurrences,
            counting.possessives,
            counting.left_out,
        )
    logger.info("%s: %s articles, %s words", part.key, f"{counts.articles:,}", f"{counts.occurrences:,}")
    return counts


class _Counting:
    """The tables of all threads, and the folder for their runs."""

    def __init__(self, rules: int, segmentation: str, workers: int, work: Path | None, limits: CountLimits):
        self.limits = limits
        self.rules = rules
        self.segmentation = segmentation
        self.possessives = 0
        self.left_out = LeftOutPages()
        self.workers = workers or usable_cores()
        self.articles = 0
        self.occurrences = 0
        self._tables: list[pa.Table] = []
        self._runs: list[Path] = []
        self._temporary = tempfile.TemporaryDirectory(prefix="runs-", dir=work)

    def __enter__(self) -> _Counting:
        return self

    def __exit__(self, *_: object) -> None:
        self._temporary.cleanup()

    def add_part(self, path: Path, part: DumpPart) -> None:
        """Counts one part of a dump."""
        source = _Source(path, _read_site(path, part), self.segmentation, self.left_out)
        workers = self.workers if part.end - part.start >= self.limits.min_parallel_bytes else 1
        pieces = max(2 * workers, (part.end - part.start) // MAX_RANGE_BYTES)
        ranges = split_part(path, part, pieces) if workers > 1 else [part]
        # Memory is for all threads together; on many cores each table is smaller.
        entries = max(self.limits.max_entries // 8, 2 * self.limits.max_entries // workers)
        folder = Path(self._temporary.name)
        try:
            tables = [self._table(source.site, folder, entries) for _ in range(workers)]
            if len(ranges) == 1 and workers > 1:
                _count_one_stream(source, part, tables)
            else:
                _count_ranges(source, ranges, tables)
        except _NotSplittable:
            self.left_out.start_again()
            tables = [self._table(source.site, folder, entries)]
            _count_ranges(source, [part], tables)
        for table in tables:
            self._tables.append(table.finish())
            self._runs += table.runs
            self.articles += table.articles
            self.occurrences += table.words
            self.possessives += table.possessives

    def merged(self) -> Iterator[pa.Table]:
        """All counts as tables that follow each other by word."""
        if not self._runs:
            return iter(self._tables if len(self._tables) == 1 else [sum_counts(self._tables)])
        for number, table in enumerate(self._tables):
            path = Path(self._temporary.name) / f"last-{number:05}.parquet"
            write_run([table], path)
            self._runs.append(path)
        self._tables = []
        return merge_runs(self._runs, self.limits.max_rows, self.limits.min_rows)

    def _table(self, site: Site, folder: Path, entries: int) -> WordTable:
        names, options = link_names(site), image_options(site)
        return WordTable(names, self.rules, folder, entries, self.limits.min_entries, options, has_variants(site))


@dataclass(frozen=True)
class _Source:
    """Where the pages come from. left_out: of all counters."""

    path: Path
    site: Site
    segmentation: str
    left_out: LeftOutPages

    def counter(self, table: WordTable, at_pages: bool = False) -> PageCounter:
        segmenter = segmenter_of(self.site.language, self.segmentation)
        return PageCounter(self.path.name, table, self.site, at_pages, segmenter, self.left_out)


class _NotSplittable(Exception):
    """A page could not be read from its chunk alone, so that one thread must read the document from its beginning."""


def _read_site(path: Path, part: DumpPart) -> Site:
    """They stand at the head of the file, not of each part."""
    try:
        return read_site(part_pieces(path, DumpPart("head", 0, path.stat().st_size)), path.name)
    except DumpError:
        if part.start == 0:
            raise
        # A damaged head is the first part's error; this part's own pages can still be counted.
        return Site()


def _count_range(source: _Source, part: DumpPart, table: WordTable, stop: threading.Event) -> None:
    counter = source.counter(table)
    chunks = page_chunks(part_pieces(source.path, part))
    while not stop.is_set():
        try:
            chunk = next(chunks, None)
        except DumpError as error:
            raise DumpError(f"{error} {counter.reached()}") from error
        if chunk is None:
            counter.close()
            return
        counter.add(chunk)


def _count_ranges(source: _Source, ranges: list[DumpPart], tables: list[WordTable]) -> None:
    """Each thread reads, decompresses and counts ranges of streams of its own; the first error stops them all."""
    free = _free_tables(tables)
    stop = threading.Event()

    def count(part: DumpPart) -> int:
        table = free.get()
        try:
            _count_range(source, part, table, stop)
        finally:
            free.put(table)
        return part.end - part.start

    total = sum(part.end - part.start for part in ranges)
    with ThreadPoolExecutor(len(tables)) as pool, progress("Counting words", total=total, unit="byte") as bar:
        try:
            for size in pool.map(count, ranges):
                bar.advance(size)
        finally:
            stop.set()


def _count_one_stream(source: _Source, part: DumpPart, tables: list[WordTable]) -> None:
    """This thread decompresses the one stream there is; the others count its chunks.

    The first and the last chunk are this thread's too: the head and the end of the document are in them. Raises
    _NotSplittable where anything is unusual: the one thread that reads it all again says what, and how far it came.
    """
    own = WordTable({}, tables[0].rules, min_entries=tables[0].min_entries)
    own.language = tables[0].language
    free = _free_tables(tables)
    counter = source.counter(own)

    def count(chunk: bytes) -> int:
        table = free.get()
        try:
            _count_chunk(source.counter(table, at_pages=True), chunk)
        finally:
            free.put(table)
        return len(chunk)

    waiting: set[Future[int]] = set()
    with ThreadPoolExecutor(len(tables)) as pool, progress(f"Counting words of {part.key}", unit="byte") as bar:
        try:
            chunks = page_chunks(part_pieces(source.path, part))
            _count_chunk(counter, next(chunks))
            last = next(chunks, b"")
            for chunk in chunks:
                if len(waiting) >= 2 * len(tables):
                    # A bound on the chunks under way keeps memory constant where decompression is the faster half.
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    bar.advance(sum(future.result() for future in finished))
                waiting.add(pool.submit(count, last))
                last = chunk
            counter.add(last)
            counter.close()
            for future in waiting:
                bar.advance(future.result())
        except DumpError as error:
            raise _NotSplittable from error
    tables.append(own)


def _count_chunk(counter: PageCounter, chunk: bytes) -> None:
    counter.add(chunk)
    if not counter.between_pages:
        raise _NotSplittable


def _free_tables(tables: list[WordTable]) -> queue.SimpleQueue[WordTable]:
    free: queue.SimpleQueue[WordTable] = queue.SimpleQueue()
    for table in tables:
        free.put(table)
    return free
