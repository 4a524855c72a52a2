"""The training's log, a CSV that a resumed run continues without a repeated row, and its picture."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from pathlib import Path

LOG_FILE = "train_log.csv"
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

    def __init__(self, path: Path, position: int = 0):
        self.path = path
        if position and path.is_file() and path.stat().st_size >= position:
            os.truncate(path, position)
        else:
            path.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def append(self, **values: float | int | None) -> None:
        """One row; a value that was not measured at this step is None and stays empty."""
        texts = [_number_text(values.get(column)) for column in COLUMNS]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(",".join(texts) + "\n")
            stream.flush()
            os.fsync(stream.fileno())


def _number_text(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def read_log(path: Path) -> dict[str, list[float]]:
    """The columns of a training log; NaN where a value was not measured."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {column: [float(row[column]) if row[column] else math.nan for row in rows] for column in COLUMNS}


def plot_log(log: dict[str, list[float]], path: Path, batch_size: int, title: str = "") -> None:
    """Draws loss (training, validation, the level of guessing) and, below it, learning rate and logit scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(8, 6), sharex=True, height_ratios=(2.2, 1), layout="constrained", dpi=120
    )
    steps = log["step"]
    top.plot(steps, log["train_loss"], color="#9ec1e6", linewidth=1, label="training, each logged step")
    top.plot(steps, _smoothed(log["train_loss"]), color="#1f5fa8", linewidth=2, label="training, smoothed")
    measured = [(s, v) for s, v in zip(steps, log["validation_loss"], strict=True) if not math.isnan(v)]
    if measured:
        top.plot(
            *zip(*measured, strict=True), color="#d1603d", linewidth=2, marker="o", markersize=4, label="validation"
        )
    top.axhline(math.log(batch_size), color="#777777", linewidth=1, linestyle=(0, (4, 3)))
    top.annotate(
        f"guessing: ln {batch_size} = {math.log(batch_size):.2f}",
        xy=(0.99, math.log(batch_size)),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color="#555555",
    )
    top.set(ylabel="contrastive loss (nats)", title=title)
    highest = max([math.log(batch_size), *(v for v in log["train_loss"] if not math.isnan(v))])
    top.set_ylim(0, highest * 1.12)
    top.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.85))
    bottom.plot(steps, log["learning_rate"], color="#3c8d5a", linewidth=2)
    bottom.set(xlabel="step", ylim=(0, None))
    bottom.set_ylabel("learning rate", color="#3c8d5a")
    scale = bottom.twinx()
    scale.plot(steps, log["logit_scale"], color="#7b5ea7", linewidth=2, linestyle=(0, (5, 2)))
    scale.set_ylabel("logit scale", color="#7b5ea7")
    for axes in (top, bottom, scale):
        axes.spines["top"].set_visible(False)
        axes.margins(x=0.01)
    for axes in (top, bottom):
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    top.spines["right"].set_visible(False)
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def _smoothed(values: Sequence[float]) -> list[float]:
    """Mean over a window of about a twentieth of the rows, centred, so that the curve neither leads nor lags."""
    half = len(values) // 40
    windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]
