"""The image of a training: its losses, learning rate and logit scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from clip_pipeline.training.objective.loss import guessing_loss, guessing_text


def plot_log(
    log: dict[str, list[float]], path: Path | IO[bytes], batch_size: int, loss: str = "softmax", title: str = ""
) -> None:
    """Draws loss (training, validation, the level of guessing) and, below it, learning rate and logit scale.

    batch_size, loss: of the training; they decide the level of guessing.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(8, 6), sharex=True, height_ratios=(2.2, 1), layout="constrained", dpi=120
    )
    steps = log["step"]
    guessing = guessing_loss(batch_size, loss)
    top.plot(steps, log["train_loss"], color="#9ec1e6", linewidth=1, label="training, each logged step")
    top.plot(steps, _smoothed(log["train_loss"]), color="#1f5fa8", linewidth=2, label="training, smoothed")
    measured = [(s, v) for s, v in zip(steps, log["validation_loss"], strict=True) if not math.isnan(v)]
    if measured:
        top.plot(
            *zip(*measured, strict=True), color="#d1603d", linewidth=2, marker="o", markersize=4, label="validation"
        )
    top.axhline(guessing, color="#777777", linewidth=1, linestyle=(0, (4, 3)))
    top.annotate(
        f"guessing: {guessing_text(batch_size, loss, 2)}",
        xy=(0.99, guessing),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color="#555555",
    )
    top.set_ylabel("contrastive loss (nats)")
    if title:
        figure.suptitle(title)
    highest = max([guessing, *(v for v in log["train_loss"] if not math.isnan(v))])
    top.set_ylim(0, highest * 1.12)
    top.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3
    )  # above the curves, which may be anywhere
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
    figure.savefig(path, format="png", metadata={"Software": None})
    plt.close(figure)


def _smoothed(values: Sequence[float]) -> list[float]:
    """Mean over a window of about a twentieth of the rows, centred, so that the curve neither leads nor lags."""
    half = len(values) // 40
    windows = (values[max(0, i - half) : i + half + 1] for i in range(len(values)))
    return [sum(window) / len(window) for window in windows]
