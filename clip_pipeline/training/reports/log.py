"""The training's log, a CSV that a resumed run continues without a repeated row; at the end a Parquet table too."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

LOG_FILE, TABLE_FILE = "train_log.csv", "train_log.parquet"
COLUMNS = (
    "step",
    "epoch",
    "train_loss",
    "validation_loss",
    "learning_rate",
    "logit_scale",
    "gradient_norm",
    "pairs_per_second",
    "data_wait_share",
    "memory_mb",
    "seconds",
)


class TrainingLog:
    """Appends rows to a CSV file; `position` is saved with the weights, and opening at it drops what came later."""

    def __init__(self, path: Path, position: int = 0, columns: Sequence[str] = COLUMNS):
        self.path, self.columns = path, columns
        if position and path.is_file() and path.stat().st_size >= position:
            os.truncate(path, position)
        else:
            path.write_text(",".join(columns) + "\n", encoding="utf-8")

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def append(self, **values: float | int | None) -> None:
        """One row; a value that was not measured at this step is None and stays empty."""
        texts = [_number_text(values.get(column)) for column in self.columns]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(",".join(texts) + "\n")
            stream.flush()
            os.fsync(stream.fileno())


def _number_text(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def read_log(path: Path, columns: Sequence[str] = COLUMNS) -> dict[str, list[float]]:
    """The columns of a training log; NaN where a value was not measured, as in logs of older versions."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {column: [float(row[column]) if row.get(column) else math.nan for row in rows] for column in columns}


def write_log_table(log: dict[str, list[float]], path: Path) -> None:
    """The log as Parquet: step as a whole number, the rest as numbers, null where a value was not measured."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array([None if math.isnan(v) else v for v in values], pa.float64()) for name, values in log.items()
    }
    columns["step"] = columns["step"].cast(pa.int64())
    pq.write_table(pa.table(columns), path, compression="zstd")
