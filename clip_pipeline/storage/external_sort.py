"""Tables larger than memory, brought into order through files: rows of equal keys come together, keys rise."""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

KEY_BITS = 30
DIGIT_BITS = 6
PARTS = 1 << DIGIT_BITS
MAX_ROWS = 16_384
"""Rows in a piece that is handled in memory. Photos take about 1 KB each: pieces of 16,384 keep a catalog of a million photos
at the memory of one of 20,000."""

BUFFER_BYTES = 16_000_000

KeysOf = Callable[["pa.Table"], np.ndarray]
"""A table's keys: int64, below 2 ** KEY_BITS, one a row."""


def text_keys(texts: Iterable[str]) -> np.ndarray:
    """Keys of texts, always the same for the same text, evenly spread."""
    return np.fromiter((zlib.crc32(text.encode()) >> (32 - KEY_BITS) for text in texts), np.int64)


def range_keys(numbers: np.ndarray, size: int) -> np.ndarray:
    """Keys of numbers below `size` that keep their order, spread over all keys."""
    step = (1 << KEY_BITS) // max(size, 1)
    if step == 0:
        raise ValueError(f"{size:,} numbers are more than there are keys")
    return np.asarray(numbers, np.int64) * step


def external_sort(
    tables: Iterable[pa.Table], schema: pa.Schema, folder: Path, keys_of: KeysOf, max_rows: int = MAX_ROWS
) -> Iterator[pa.Table]:
    """All rows, in pieces of about `max_rows`: rows of equal keys are in one piece, and keys rise from piece to piece.

    Within a piece rows have the order in which they came. What fits into one piece touches no disk; the rest goes through
    files below `folder`, which are removed as they are read. A piece is larger than `max_rows` only where so many rows
    have (nearly) equal keys.
    """
    yield from _in_order(iter(tables), schema, folder, keys_of, max_rows, KEY_BITS - DIGIT_BITS)


def _in_order(
    tables: Iterator[pa.Table], schema: pa.Schema, folder: Path, keys_of: KeysOf, max_rows: int, shift: int
) -> Iterator[pa.Table]:
    import pyarrow as pa

    first, rows = [], 0
    for table in tables:
        first.append(table.select(schema.names).cast(schema))
        rows += len(table)
        if rows > max_rows:
            break
    if rows <= max_rows or shift < 0:
        first += tables if shift < 0 else ()
        if rows:
            yield pa.concat_tables(first).combine_chunks()
        return
    buckets = Buckets(folder, schema)
    try:
        while first:
            _add_by_key(buckets, first.pop(0), keys_of, max_rows, shift)
        for table in tables:
            _add_by_key(buckets, table.select(schema.names).cast(schema), keys_of, max_rows, shift)
        for parts in buckets.finished_parts(max_rows):
            inner = folder / f"{parts[0]:02d}"
            yield from _in_order(buckets.read(parts), schema, inner, keys_of, max_rows, shift - DIGIT_BITS)
            buckets.remove(parts)
    finally:
        buckets.close()
        shutil.rmtree(folder, ignore_errors=True)


def _add_by_key(buckets: Buckets, table: pa.Table, keys_of: KeysOf, max_rows: int, shift: int) -> None:
    for start in range(0, len(table), max_rows):
        piece = table.slice(start, max_rows)
        buckets.add(piece, (keys_of(piece) >> shift) & (PARTS - 1))


class Buckets:
    """Rows in up to 64 files below a folder, by their part. Rows wait in memory until they are worth a write."""

    def __init__(self, folder: Path, schema: pa.Schema):
        self._folder, self._schema = folder, schema
        self._waiting: dict[int, list[pa.Table]] = {}
        self._bytes = 0
        self._rows: Counter[int] = Counter()
        self._writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, table: pa.Table, parts: np.ndarray) -> None:
        """Adds rows; `parts` says for each the part it belongs to, 0 to 63."""
        order = np.argsort(parts, kind="stable")
        together = table.take(order)
        numbers, starts = np.unique(parts[order], return_index=True)
        ends = np.append(starts[1:], len(order))
        for part, start, end in zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True):
            self._waiting.setdefault(part, []).append(together.slice(start, end - start))
            self._rows[part] += end - start
        self._bytes += together.nbytes
        if self._bytes > BUFFER_BYTES:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        for part, tables in self._waiting.items():
            if part not in self._writers:
                options = pa.ipc.IpcWriteOptions(compression="lz4")
                self._writers[part] = pa.ipc.new_stream(self._path(part), self._schema, options=options)
            self._writers[part].write_table(pa.concat_tables(tables).combine_chunks())
        self._waiting, self._bytes = {}, 0

    def _path(self, part: int) -> str:
        return str(self._folder / f"{part:02d}.arrow")

    def finished_parts(self, max_rows: int) -> list[list[int]]:
        """Writes what waits, and returns the parts that have rows, in order; small neighbours are taken together."""
        self._write()
        self.close()
        groups: list[list[int]] = []
        rows = max_rows
        for part in sorted(self._rows):
            rows += self._rows[part]
            if rows > max_rows:
                groups.append([])
                rows = self._rows[part]
            groups[-1].append(part)
        return groups

    def read(self, parts: Iterable[int]) -> Iterator[pa.Table]:
        """The rows of some parts, each as they were added."""
        import pyarrow as pa

        for part in parts:
            with pa.OSFile(self._path(part)) as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    yield pa.Table.from_batches([batch])

    def remove(self, parts: Iterable[int]) -> None:
        for part in parts:
            Path(self._path(part)).unlink()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
