"""Rows of Parquet files that came from elsewhere, read in a process of their own that may take so much memory and no more.

A Parquet file of 2 kB can hold a thousand rows of one text of 5 MB: what is said once in it is written out for each row, before
a program can look at it (5.4 GB, measured 2026-12-01). The sizes that a file tells of itself need not be true, and no reader
has a limit of its own. So the kernel's is used, where a crash of the reader costs no more than a sentence.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import InputError
from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT, child_environment
from clip_pipeline.sources.tables.text_files import LINES_OF_ANY_FILE, MAX_TABLE_RATIO
from clip_pipeline.sources.wikimedia.compression import RatioLimit

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROWS_AT_A_TIME = 1000
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
        names = file.schema_arrow.names
    return names, (row for batch in parquet_batches(path, error) for row in _rows(path, batch, error))


def parquet_batches(
    path: Path,
    error: type[InputError],
    columns: Sequence[str] | None = None,
    rows: int = ROWS_AT_A_TIME,
    group: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """The content of some columns, or of all, in batches of at most so many rows, fewer where rows are large.

    group: the number of a group of rows, None for all. Raises `error` for what is no Parquet, cut, damaged, or needs more
    memory for a few rows than any table does.
    """
    import pyarrow as pa

    job = json.dumps({"path": str(path), "columns": columns and list(columns), "rows": rows, "group": group})
    limit = RatioLimit(str(path), error, MAX_TABLE_RATIO)
    limit.count(path.stat().st_size, 0)
    command = [sys.executable, "-m", "clip_pipeline.sources.tables.parquet_worker", job]
    environment = child_environment(PROGRAM_ENVIRONMENT)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        problem, ended = "", False
        try:
            with pa.ipc.open_stream(process.stdout) as batches:
                for batch in batches:
                    limit.count(0, batch.nbytes)
                    yield batch
            ended = True
        except (pa.ArrowException, OSError) as broken:  # the process has ended within a batch
            problem = str(broken)
        finally:
            if not ended and not problem:  # nobody asks for the rest
                process.kill()
            said = process.stderr.read(4000).decode("utf-8", "replace").strip()
            with contextlib.suppress(BrokenPipeError):
                process.wait()
    if process.returncode or problem:
        raise _broken(path, said.splitlines()[-1] if said else problem or "its reader crashed", error)


def _rows(path: Path, batch: pa.RecordBatch, error: type[InputError]) -> list[dict[str, Any]]:
    import pyarrow as pa

    try:
        return batch.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError) as problem:  # texts that are none, times beyond the calendar
        raise _broken(path, str(problem), error) from None


def _broken(path: Path, problem: str, error: type[InputError]) -> InputError:
    return error(f"{path} cannot be read as Parquet ({problem[:120]}). Make it again.")
