"""Several trainings in one image."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.display.text_table import text_table
from clip_pipeline.errors import InputError
from clip_pipeline.training.reports.log import LOG_FILE, read_log
from clip_pipeline.version import with_new_names

COLOURS = ("#1f5fa8", "#d1603d", "#3c8d5a", "#7b5ea7", "#b8860b", "#2a9d9d", "#8c564b", "#555555")
NOT_COMPARED = ("plan", "init_from")
FIRST_SETTINGS = ("loss", "batch_size", "model", "learning_rate", "epochs", "steps")
LABEL_COLUMNS = 100
"""Letters of a label before it goes on in the next line."""


@dataclass(frozen=True)
class Run:
    """One training. label: what tells it from the others."""

    label: str
    log: dict[str, list[float]]
    batch_size: int
    loss: str


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """The trainings in model folders, each labelled by its name and by the settings in which it differs from the first.

    Raises InputError for a folder without a log.
    """
    settings = [_settings_of(folder) for folder in folders]
    labels = _labels(folders, settings)
    return [
        Run(label, read_log(folder / LOG_FILE), int(own["batch_size"]), str(own.get("loss", "softmax")))
        for label, folder, own in zip(labels, folders, settings, strict=True)
    ]


def _settings_of(folder: Path) -> dict[str, Any]:
    missing = [name for name in (LOG_FILE, "training.json") if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder} holds no {' and no '.join(missing)}. Give the folder of a trained model.")
    return with_new_names(json.loads((folder / "training.json").read_text(encoding="utf-8"))["settings"])


def _labels(folders: Sequence[Path], settings: Sequence[dict[str, Any]]) -> list[str]:
    first = settings[0]
    labels = []
    for name, own in zip(_short_names(folders), settings, strict=True):
        keys = [*(key for key in FIRST_SETTINGS if key in own), *(key for key in own if key not in FIRST_SETTINGS)]
        different = [
            f"{key} {own[key]}" for key in keys if key not in NOT_COMPARED and key in first and own[key] != first[key]
        ]
        labels.append(", ".join([name, *different[:3]]) + (", …" if len(different) > 3 else ""))
    return labels


def _short_names(folders: Sequence[Path]) -> list[str]:
    """The parts of the paths in which they differ."""
    parts = [folder.absolute().parts for folder in folders]
    if len(set(parts)) < 2:
        return [folder.name for folder in folders]
    while len({path[0] for path in parts}) == 1 and all(len(path) > 1 for path in parts):
        parts = [path[1:] for path in parts]
    while len({path[-1] for path in parts}) == 1 and all(len(path) > 1 for path in parts):
        parts = [path[:-1] for path in parts]
    return ["/".join(path) for path in parts]


def plot_runs(runs: Sequence[Run], path: Path) -> None:
    """Draws training loss (thin), validation loss (marked) and learning rate over pairs seen, one colour a training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(9, 7 + 0.2 * len(runs)), sharex=True, height_ratios=(3, 1), layout="constrained", dpi=120
    )
    for number, run in enumerate(runs):
        colour, dashes = COLOURS[number % len(COLOURS)], (None, None) if number < len(COLOURS) else (3, 2)
        pairs = [step * run.batch_size for step in run.log["step"]]
        top.plot(pairs, run.log["train_loss"], color=colour, linewidth=0.8, alpha=0.4)
        measured = [(p, v) for p, v in zip(pairs, run.log["validation_loss"], strict=True) if not math.isnan(v)]
        final = f" (validation {measured[-1][1]:.3f})" if measured else ""
        top.plot(
            [p for p, _ in measured],
            [v for _, v in measured],
            color=colour,
            dashes=dashes,
            linewidth=2,
            marker="o",
            markersize=4,
            label=textwrap.fill(run.label + final, LABEL_COLUMNS),
        )
        bottom.plot(pairs, run.log["learning_rate"], color=colour, dashes=dashes, linewidth=1.5)
    title = "Validation (marked) and training loss (thin)"
    if len({(run.loss, run.batch_size) for run in runs}) > 1:
        title += "; another loss or batch size has another scale"
    top.set_ylabel("contrastive loss (nats)")
    top.set_title(title, fontsize=11)
    top.set_ylim(0, _highest_shown(runs))
    figure.legend(frameon=False, fontsize=9, loc="outside lower left")  # labels are too long to lie over the curves
    bottom.set(xlabel="pairs seen", ylabel="learning rate", ylim=(0, None))
    bottom.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    for axes in (top, bottom):
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.margins(x=0.01)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Software": None}, format="png")
    plt.close(figure)


def _highest_shown(runs: Sequence[Run]) -> float | None:
    """The first steps' losses, several times as high as all that follows, run out of the image."""
    losses = [loss for run in runs for loss in run.log["validation_loss"] if not math.isnan(loss)]
    losses += [loss for run in runs for loss in run.log["train_loss"][len(run.log["step"]) // 20 + 1 :]]
    return 1.25 * max(losses) if losses else None


def runs_table(runs: Sequence[Run]) -> str:
    """One line a training: steps, last and best validation loss, pairs a second."""
    rows = []
    for run in runs:
        losses = [loss for loss in run.log["validation_loss"] if not math.isnan(loss)]
        final, best = (f"{losses[-1]:.3f}", f"{min(losses):.3f}") if losses else ("-", "-")
        steps = int(run.log["step"][-1]) if run.log["step"] else 0
        speeds = sorted(run.log["pairs_per_second"])
        speed = speeds[len(speeds) // 2] if speeds else math.nan
        rows.append((run.label, f"{steps:,}", final, best, f"{speed:,.0f}"))
    return text_table(rows, ("run", "steps", "final", "best", "pairs/s"), right=range(1, 5))
