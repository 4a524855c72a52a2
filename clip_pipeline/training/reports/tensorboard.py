"""The log as TensorBoard reads it, while the training runs."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import SettingsError
from clip_pipeline.training.reports.log import COLUMNS, read_log

FOLDER = "tensorboard"


class TensorBoardLog:
    """Writes rows of the log; rows of an earlier part of the training are written again, so each step is there once."""

    def __init__(self, writer: Any):
        self._writer = writer

    def append(self, **values: float | int | None) -> None:
        """One row, as `TrainingLog.append` takes it."""
        step = values["step"]
        for column in COLUMNS:
            value = values.get(column)
            if column != "step" and value is not None and not math.isnan(value):
                self._writer.add_scalar(f"training/{column}", value, step)


@contextlib.contextmanager
def tensorboard_log(folder: Path, log_path: Path, wanted: bool) -> Iterator[TensorBoardLog | None]:
    """The writer into `folder`, which it empties first; None where TensorBoard is not wanted.

    log_path: the CSV, whose rows so far come first. Raises SettingsError where the package is not installed.
    """
    if not wanted:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SettingsError(
            "training.tensorboard is true, but TensorBoard is not installed. Install it with "
            "`pip install clip_pipeline[tensorboard]`, or set training.tensorboard to false."
        ) from error
    for old in folder.glob("events.*"):
        old.unlink()
    writer = SummaryWriter(str(folder))
    try:
        log = TensorBoardLog(writer)
        columns = read_log(log_path)
        for row in zip(*columns.values(), strict=True):
            values = dict(zip(columns, row, strict=True))
            log.append(**values | {"step": int(values["step"])})
        yield log
    finally:
        writer.close()
