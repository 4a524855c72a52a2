"""A look at a training while it runs, now and then: often at first, when a mistake shows, and seldom later."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clip_pipeline.training.reports.log import read_log
from clip_pipeline.training.reports.log_plot import plot_log

FIRST_SECONDS, MAX_SECONDS = 20.0, 3600.0
"""Plots are due after 20, 40, 80, ... seconds and then once an hour: seven in the first hour, 30 in a day."""

COLOURS = 32
SHOWN = ("train_loss", "validation_loss", "learning_rate", "logit_scale", "pairs_per_second")
Show = Callable[[Mapping[str, float], bytes], None]


class LiveView:
    """Given to `train_clip` as `on_row`. show(numbers, PNG): is handed the latest values and the image so far.

    model: its name. batch_size, loss: of the training. clock: seconds, as time.monotonic. Nothing of it reaches the model.
    """

    def __init__(
        self,
        log_path: Path,
        show: Show,
        model: str,
        batch_size: int,
        loss: str = "softmax",
        clock: Callable[[], float] = time.monotonic,
    ):
        self.log_path, self.show, self.clock = log_path, show, clock
        self.title, self.batch_size, self.loss = f"Training {Path(model).stem}, so far", batch_size, loss
        self.wait = FIRST_SECONDS
        self.due = clock() + self.wait

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Takes in a row of the log that was just written; shows it when a look is due."""
        if self.clock() < self.due:
            return
        numbers = {"step": row["step"], "epoch": row["epoch"]}
        numbers |= {name: row[name] for name in SHOWN if row.get(name) is not None}
        self.show(numbers, self._image())
        self.wait = min(2 * self.wait, MAX_SECONDS)
        self.due = self.clock() + self.wait

    def _image(self) -> bytes:
        """A PNG of a few colours: Dagster keeps it in its event log, where 100 KB are too many."""
        from PIL import Image

        drawn, small = io.BytesIO(), io.BytesIO()
        plot_log(read_log(self.log_path), drawn, self.batch_size, self.loss, self.title)
        with Image.open(drawn) as image:
            image.convert("RGB").quantize(COLOURS).save(small, "PNG", optimize=True)
        return small.getvalue()
