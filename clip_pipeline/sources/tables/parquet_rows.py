"""Rows of Parquet files that came from elsewhere, read in a process of their own that may take so much memory and no more.

A Parquet file of 2 kB can hold a thousand rows of one text of 5 MB: what is said once in it is written out for each row, before
a program can look at it (5.4 GB, measured 2026-12-01). The sizes that a file tells of itself need not be true, and no reader
has a limit of its own. So the kernel's is used, where a crash of the reader costs no more than a sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from clip_pipeline.errors import InputError
from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT, child_environment
from clip_pipeline.sources.tables.columns import distinct_columns
from clip_pipeline.sources.tables.text_files import LINES_OF_ANY_FILE, MAX_TABLE_RATIO
from clip_pipeline.sources.wikimedia.compression import RatioLimit

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_AT_A_TIME = 1000
MAX_IDLE = 2
MAX_FOOTER_BYTES, FOOTER_SHARE = 8_000_000, 50
"""Of the description at the end of a file, which takes some 50 times as much memory: 8 MB, or a fiftieth of a larger file."""


def open_parquet(path: Path, error: type[InputError]) -> pq.ParquetFile:
    """A file whose description was read, with limits; nothing else of it was. Raises `error` for what is no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from clip_pipeline.sources.tables.parquet_worker import MAX_ITEMS_OF_FOOTER

    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            stream.seek(max(size - 8, 0))
            end = stream.read(8)
        footer = int.from_bytes(end[:4], "little")
        if footer > max(MAX_FOOTER_BYTES, size // FOOTER_SHARE):
            raise _broken(path, f"it describes itself in {footer:,} bytes", error)
        file = pq.ParquetFile(path, pre_buffer=False, thrift_container_size_limit=MAX_ITEMS_OF_FOOTER)
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as problem:
        raise _broken(path, str(problem), error) from None
    rows = file.metadata.num_rows
    if not 0 <= rows <= LINES_OF_ANY_FILE + size:
        file.close()
        raise _broken(path, f"it says that it holds {rows:,} rows in {size:,} bytes", error)
    return file


def open_parquet_rows(path: Path, error: type[InputError]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Column names and rows. Raises `error`, now or while the rows are read."""
    with open_parquet(path, error) as file:
        names = distinct_columns(file.schema_arrow.names)
    return names, _rows(path, (batch.rename_columns(names) for batch in parquet_batches(path, error)), error)


def parquet_batches(
    path: Path,
    error: type[InputError],
    columns: Sequence[str] | None = None,
    rows: int = ROWS_AT_A_TIME,
    group: int | None = None,
    max_ratio: int = MAX_TABLE_RATIO,
) -> Iterator[pa.RecordBatch]:
    """The content of some columns, or of all, in batches of at most so many rows, fewer where rows are large.

    group: the number of a group of rows, None for all. max_ratio: bytes of the content to those of the file (`RatioLimit`). Raises `error` for what is no Parquet, cut, damaged, or needs more
    memory for a few rows than any table does.
    """
    import pyarrow as pa

    job = {"path": str(path.absolute()), "columns": columns and list(columns), "rows": rows, "group": group}
    limit = RatioLimit(str(path), error, max_ratio)
    limit.count(path.stat().st_size, 0)
    reader = _take()
    ended = False
    try:
        try:
            for batch in reader.batches(job):
                limit.count(0, batch.nbytes)
                yield batch
            ended = True
        except (pa.ArrowException, OSError) as problem:  # it has ended within a batch
            raise _broken(path, reader.last_words() or str(problem) or "its reader crashed", error) from None
    finally:
        if ended:
            _give_back(reader)
        else:
            reader.end()


class _Reader:
    """A process that reads one file after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "clip_pipeline.sources.tables.parquet_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(PROGRAM_ENVIRONMENT),
        )

    def batches(self, job: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        """Raises what Arrow does, and OSError, where the process ends."""
        import pyarrow as pa

        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()
        yield from pa.ipc.open_stream(_Kept(self._process.stdout))

    def last_words(self) -> str:
        """What it says of its end."""
        assert self._process.stderr is not None
        lines = self._process.stderr.read(4000).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def end(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):  # what was not written to it
                pipe.close()  # type: ignore[union-attr]


class _Kept:
    """A pipe that Arrow reads and does not close."""

    closed = False

    def __init__(self, pipe: IO[bytes]):
        self.read = pipe.read

    def close(self) -> None:
        """Leaves the pipe open."""


_idle: dict[int, list[_Reader]] = {}
"""Readers that wait for the next file, by the process that has started them; they end with it. Starting one takes 0.3 s."""
_idle_lock = threading.Lock()


def _take() -> _Reader:
    with _idle_lock:
        waiting = _idle.get(os.getpid())
        if waiting:
            return waiting.pop()
    return _Reader()


def _give_back(reader: _Reader) -> None:
    with _idle_lock:
        waiting = _idle.setdefault(os.getpid(), [])
        if len(waiting) < MAX_IDLE:
            waiting.append(reader)
            return
    reader.end()


def column_values(path: Path, error: type[InputError], column: str) -> Iterator[Any]:
    """The values of one column. Raises `error` as `parquet_batches`."""
    return (row[column] for row in _rows(path, parquet_batches(path, error, [column]), error))


def _rows(path: Path, batches: Iterable[pa.RecordBatch], error: type[InputError]) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    before = 0
    for batch in batches:
        try:
            rows = batch.to_pylist()
        except (
            pa.ArrowException,
            ValueError,
            OverflowError,
        ) as problem:  # texts that are none, times beyond the calendar
            raise error(
                f"{path} cannot be read as Parquet: {_unreadable_cell(batch, before) or str(problem)[:120]}. Write the file again without it; texts are UTF-8."
            ) from None
        yield from rows
        before += len(batch)


def _unreadable_cell(batch: pa.RecordBatch, before: int) -> str:
    """Where the first cell is that has no value in Python, and why. before: rows of the file before the batch."""
    import pyarrow as pa

    for row in range(len(batch)):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                column[row].as_py()
            except (pa.ArrowException, ValueError, OverflowError) as problem:
                return f"row {before + row + 1:,} of its column {name} has no value ({str(problem)[:120]})"
    return ""


def _broken(path: Path, problem: str, error: type[InputError]) -> InputError:
    return error(f"{path} cannot be read as Parquet ({problem[:120]}). Make it again.")
