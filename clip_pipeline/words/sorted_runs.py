"""Counts on disk, sorted by word: written, and merged in constant memory.

A run is a Parquet file of WORD_COUNTS whose words ascend by code point and occur once. The counts of one part of a dump
are such a file too, so any number of parts merge like any number of runs, a stretch of the alphabet at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.records import WORD_COUNTS

MAX_ROWS = 2_000_000
"""Rows of all runs together that a merge holds at a time, about 100 MB."""
MIN_ROWS = 2_000
ROW_GROUP = 1 << 16
NUMBERS = WORD_COUNTS.names[1:]


@dataclass(frozen=True)
class MergedCounts:
    """The words that occur often enough, the most frequent first, then by the alphabet; and what there was in all.

    words: distinct words, the rare ones among them. occurrences: of all words. rare_word: the most frequent of the rare ones, "" where
    there is none.
    """

    table: pa.Table
    words: int
    occurrences: int
    rare_word: str = ""


def write_run(tables: Iterable[pa.Table], path: Path) -> int:
    """Writes tables that are sorted by word, and follow each other in that order, as one run; returns the rows."""
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, WORD_COUNTS, compression="zstd") as writer:
        for table in tables:
            rows += len(table)
            if len(table):
                writer.write_table(table, row_group_size=ROW_GROUP)
    return rows


def sum_counts(tables: Sequence[pa.Table]) -> pa.Table:
    """The sum of WORD_COUNTS tables, sorted by word."""
    merged = pa.concat_tables([WORD_COUNTS.empty_table(), *tables]).group_by("word")
    sums = merged.aggregate([(name, "sum") for name in NUMBERS])
    table = pa.table([sums["word"], *(sums[f"{name}_sum"] for name in NUMBERS)], schema=WORD_COUNTS)
    return table.sort_by("word").combine_chunks()


def merge_runs(paths: Sequence[Path], max_rows: int = MAX_ROWS, min_rows: int = MIN_ROWS) -> Iterator[pa.Table]:
    """The sum of runs as tables that follow each other by word.

    max_rows: held in memory at a time, however many runs there are; min_rows: of each run at least.
    """
    rows = max(min_rows, max_rows // max(1, len(paths)))
    sources = [_Source(path, rows) for path in paths]
    sources = [source for source in sources if source.advance()]
    while sources:
        last = min(source.last_word for source in sources)
        taken = [source.take_until(last) for source in sources]
        taken = [table for table in taken if len(table)]
        yield taken[0] if len(taken) == 1 else sum_counts(taken)
        sources = [source for source in sources if len(source.table) or source.advance()]


def merge_counts(
    paths: Sequence[Path], min_count: int = 0, max_rows: int = MAX_ROWS, min_rows: int = MIN_ROWS
) -> MergedCounts:
    """The sum of runs; of words that occur at most `min_count` times only their number is kept.

    The result does not depend on the order of the runs, nor on how the text was cut into them. max_rows, min_rows: as of
    `merge_runs`.
    """
    kept = [WORD_COUNTS.empty_table()]
    words = occurrences = rare_count = 0
    rare_word = ""
    for table in merge_runs(paths, max_rows, min_rows):
        words += len(table)
        occurrences += pc.sum(table["count"]).as_py() or 0
        frequent = pc.greater(table["count"], min_count)
        kept.append(table.filter(frequent))
        rare = pc.if_else(frequent, 0, table["count"])
        if (most := pc.max(rare).as_py() or 0) > rare_count:
            rare_count, rare_word = most, table["word"][pc.index(rare, most).as_py()].as_py()
    return MergedCounts(most_frequent_first(pa.concat_tables(kept)), words, occurrences, rare_word)


def most_frequent_first(table: pa.Table) -> pa.Table:
    """WORD_COUNTS by count, then by the alphabet."""
    return table.sort_by([("count", "descending"), ("word", "ascending")]).combine_chunks()


class _Source:
    def __init__(self, path: Path, rows: int):
        import pyarrow.parquet as pq

        self._batches = pq.ParquetFile(path).iter_batches(batch_size=rows)
        self.table = WORD_COUNTS.empty_table()
        self.last_word = b""

    def advance(self) -> bool:
        for batch in self._batches:
            if len(batch):
                self.table = pa.Table.from_batches([batch], schema=WORD_COUNTS)
                self.last_word = self._word(len(self.table) - 1)
                return True
        return False

    def take_until(self, last: bytes) -> pa.Table:
        """The rows up to the word `last`; they are gone from `table` afterwards."""
        low, high = 0, len(self.table)
        while low < high:
            middle = (low + high) // 2
            if self._word(middle) <= last:
                low = middle + 1
            else:
                high = middle
        taken, self.table = self.table.slice(0, low), self.table.slice(low)
        return taken

    def _word(self, row: int) -> bytes:
        return self.table["word"][row].as_buffer().to_pybytes()
