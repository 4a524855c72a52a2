"""The process that reads Parquet files for `parquet_rows.py`: a job a line from standard input, its batches as an Arrow stream to
standard output. At the first trouble it says so in a line to standard error and ends; it ends when there are no more jobs, too."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MAX_BYTES = 700_000_000
"""Of memory beyond what the libraries take."""
BATCH_BYTES, MAX_ROW_BYTES = 32_000_000, 128_000_000
"""Of rows that are handed on at once, where they are several; and of a single one."""
MAX_ITEMS_OF_FOOTER = 100_000
"""Columns, or groups of rows."""
TOO_LARGE = "a few of its rows take more than 700 MB of memory, which no table's do"


def write_batches(job: dict[str, Any]) -> None:
    """The batches of one job (see `parquet_batches`)."""
    groups = None if job["group"] is None else [job["group"]]
    with pq.ParquetFile(
        job["path"], pre_buffer=False, buffer_size=1 << 20, thrift_container_size_limit=MAX_ITEMS_OF_FOOTER
    ) as file:
        batches = file.iter_batches(_rows_of(file, job["rows"]), groups, job["columns"], use_threads=False)
        first = next(batches, None)
        if first is None:
            schema = file.schema_arrow
            schema = pa.schema([schema.field(name) for name in job["columns"]]) if job["columns"] else schema
            pa.ipc.new_stream(sys.stdout.buffer, schema).close()
            sys.stdout.buffer.flush()
            return
        with pa.ipc.new_stream(sys.stdout.buffer, first.schema) as stream:
            _write(stream, first)
            first = None
            for batch in batches:
                _write(stream, batch)
    sys.stdout.buffer.flush()


def _rows_of(file: pq.ParquetFile, most: int) -> int:
    """As many rows as take some 32 MB, by what an honest file says of itself."""
    groups = [file.metadata.row_group(number) for number in range(min(file.metadata.num_row_groups, 8))]
    of_a_row = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
    return max(1, min(most, BATCH_BYTES // max(of_a_row, 1)))


def _write(stream: pa.ipc.RecordBatchStreamWriter, batch: pa.RecordBatch) -> None:
    pieces = -(-batch.nbytes // BATCH_BYTES)
    step = max(1, len(batch) // max(pieces, 1))
    for start in range(0, len(batch), step):
        piece = batch.slice(start, step)
        if piece.nbytes > MAX_ROW_BYTES and len(piece) > 1:
            _write(stream, piece)
        elif piece.nbytes > MAX_ROW_BYTES:
            raise MemoryError
        else:
            stream.write_batch(piece)


def _limit_memory() -> None:
    """Limits what this process may take further. Without /proc (macOS) the limit counts from nothing."""
    status = Path("/proc/self/statm")
    taken = int(status.read_text().split()[0]) * resource.getpagesize() if status.exists() else 0
    most = taken + MAX_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))


def run() -> None:
    """All jobs. Ends with status 1 and a line on standard error where one cannot be done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    _limit_memory()
    try:
        for line in sys.stdin:
            write_batches(json.loads(line))
    except BrokenPipeError:
        os._exit(0)
    except MemoryError:  # Arrow's own is one too
        sys.exit(TOO_LARGE)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as problem:
        text = " ".join(str(problem).split())[:300]
        sys.exit(TOO_LARGE if "alloc" in text else text)


if __name__ == "__main__":
    run()
