"""How often each word occurs in the articles of a dump, and in how many of them.

Counts add up, so parts, processes and their order change nothing in the result: it is sorted at the end.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for_sentinels
from pathlib import Path

import pyarrow as pa

from clip_pipeline.errors import DumpError
from clip_pipeline.progress import progress
from clip_pipeline.records import WORD_COUNTS
from clip_pipeline.sources.dump_files import DumpPart, describe_dump, open_part, split_part
from clip_pipeline.words.articles import is_article
from clip_pipeline.words.pages import iter_pages, read_namespaces
from clip_pipeline.words.tokens import find_tokens, has_letter
from clip_pipeline.words.wikitext import ENGLISH_LINK_NAMES, plain_text

logger = logging.getLogger(__name__)

SMALLEST_PARALLEL_BYTES = 4_000_000
"""Compressed bytes below which one process is done before others have started (about 0.5 s each, 2026-11)."""
BATCH_CHARACTERS = 1_000_000
FILE_NAMESPACE, CATEGORY_NAMESPACE = 6, 14


@dataclass
class WordTally:
    """Counts while they grow. Tokens without a letter are still among them."""

    words: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    articles: int = 0

    def add_text(self, wikitext: str, link_names: Sequence[str]) -> None:
        tokens = find_tokens(plain_text(wikitext, link_names))
        self.words.update(tokens)
        self.documents.update(set(tokens))
        self.articles += 1

    def add_tally(self, other: WordTally) -> None:
        self.words.update(other.words)
        self.documents.update(other.documents)
        self.articles += other.articles

    def to_table(self) -> pa.Table:
        words = [word for word in self.words if has_letter(word)]
        zeros = [0] * len(words)
        columns = [words, [self.words[word] for word in words], [self.documents[word] for word in words], zeros, zeros]
        return _sorted_counts(pa.table(columns, schema=WORD_COUNTS))


def count_part(path: Path, part: DumpPart, workers: int = 1) -> pa.Table:
    """The words of one part's articles, as WORD_COUNTS, the most frequent first, then by the alphabet.

    workers: processes, 0 for one a core. The result is the same for any number of them.
    Raises DumpError where the part is cut, damaged or no MediaWiki export.
    """
    tally = _tally_part(Path(path), part, workers)
    logger.info("%s: %s articles, %s words", part.key, f"{tally.articles:,}", f"{tally.words.total():,}")
    return tally.to_table()


def count_dumps(paths: Iterable[Path], workers: int = 1) -> pa.Table:
    """The words of all articles of one or several dump files, as WORD_COUNTS.

    Raises DumpError as `count_part`, and where the dumps hold no article at all.
    """
    total = WordTally()
    paths = [Path(path) for path in paths]
    for path in paths:
        (part,) = describe_dump(path, parts=1).parts
        total.add_tally(_tally_part(path, part, workers))
    if total.articles == 0:
        names = ", ".join(path.name for path in paths)
        raise DumpError(
            f"{names} holds no article (namespace 0, no redirect, no disambiguation). Give a pages-articles dump."
        )
    return total.to_table()


def merge_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """The sum of several WORD_COUNTS tables; the result does not depend on their order."""
    merged = pa.concat_tables([WORD_COUNTS.empty_table(), *tables]).group_by("word")
    numbers = WORD_COUNTS.names[1:]
    sums = merged.aggregate([(name, "sum") for name in numbers])
    columns = [sums["word"], *(sums[f"{name}_sum"] for name in numbers)]
    return _sorted_counts(pa.table(columns, schema=WORD_COUNTS))


def _sorted_counts(table: pa.Table) -> pa.Table:
    return table.sort_by([("count", "descending"), ("word", "ascending")]).combine_chunks()


def _tally_part(path: Path, part: DumpPart, workers: int) -> WordTally:
    link_names = _read_link_names(path, part)
    workers = workers or _cores()
    if workers < 2 or part.end - part.start < SMALLEST_PARALLEL_BYTES:
        return _tally_range(path, part, link_names)
    pieces = split_part(path, part, 4 * workers)
    if len(pieces) > 1:
        return _tally_streams_in_processes(path, pieces, link_names, workers)
    return _tally_texts_in_processes(path, part, link_names, workers)


def _read_link_names(path: Path, part: DumpPart) -> tuple[str, ...]:
    """What the wiki calls its files and categories; it stands at the head of the file, not of each part."""
    names = set(ENGLISH_LINK_NAMES)
    with open_part(path, DumpPart("head", 0, path.stat().st_size)) as stream:
        try:
            namespaces = read_namespaces(stream)
        except DumpError:
            if part.start == 0:
                raise
            # A damaged head is the first part's error; this part's own pages can still be counted.
            return ENGLISH_LINK_NAMES
    names |= {namespaces[key] for key in (FILE_NAMESPACE, CATEGORY_NAMESPACE) if namespaces.get(key)}
    return tuple(sorted(names))


def _tally_range(path: Path, part: DumpPart, link_names: Sequence[str]) -> WordTally:
    tally = WordTally()
    with open_part(path, part) as stream, progress(f"Counting words of {part.key}", unit="article") as bar:
        for page in iter_pages(stream):
            if is_article(page):
                tally.add_text(page.text, link_names)
                bar.advance()
    return tally


def _tally_texts(texts: list[str], link_names: Sequence[str]) -> WordTally:
    tally = WordTally()
    for text in texts:
        tally.add_text(text, link_names)
    return tally


def _tally_streams_in_processes(
    path: Path, pieces: list[DumpPart], link_names: Sequence[str], workers: int
) -> WordTally:
    """Each process reads, decompresses and counts ranges of streams of its own."""
    total = WordTally()
    with _process_pool(workers) as pool, progress("Counting words", total=len(pieces), unit="range") as bar:
        for tally in pool.map(_tally_range, [path] * len(pieces), pieces, [link_names] * len(pieces)):
            total.add_tally(tally)
            bar.advance()
    return total


def _tally_texts_in_processes(path: Path, part: DumpPart, link_names: Sequence[str], workers: int) -> WordTally:
    """This process decompresses the one stream there is; the others count batches of articles."""
    total = WordTally()
    waiting: set[Future[WordTally]] = set()
    with (
        open_part(path, part) as stream,
        _process_pool(workers) as pool,
        progress(f"Counting words of {part.key}", unit="article") as bar,
    ):
        for texts in _article_batches(stream):
            if len(waiting) >= 2 * workers:
                # A bound on the batches under way keeps memory constant where decompression is the faster half.
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    total.add_tally(future.result())
            waiting.add(pool.submit(_tally_texts, texts, link_names))
            bar.advance(len(texts))
        for future in waiting:
            total.add_tally(future.result())
    return total


def _article_batches(stream) -> Iterator[list[str]]:
    texts: list[str] = []
    characters = 0
    for page in iter_pages(stream):
        if is_article(page):
            texts.append(page.text)
            characters += len(page.text)
            if characters >= BATCH_CHARACTERS:
                yield texts
                texts, characters = [], 0
    if texts:
        yield texts


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _process_pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the caller may have threads (Dagster does), and a lock that one of them holds stays locked in a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_exit_with_parent)


def _exit_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait_for_sentinels([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
