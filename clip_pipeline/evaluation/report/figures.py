"""The charts of the report, as PNG files. The same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.evaluation.report.terminal_table import group_name, interval_text, mark, metric_name, percent
from clip_pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GRID = "#22272e", "#6b7480", "#e4e7eb"
COLOURS = ("#1f5fa8", "#d1603d", "#3c8d5a", "#7b5ea7", "#b08a1e", "#4a8f9b")
DPI = 130


def draw_scores(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Each score as a point with its 95 % interval, and a tick where chance lies."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["chance"] is not None:
            groups.setdefault(group_name(row), []).append(row)
    rows = [row for scores in groups.values() for row in scores]
    figure, axes = new_figure(8.6, 0.9 + 0.33 * (len(rows) + 1.1 * len(groups)))
    height, places, names = 0.0, [], []
    for number, (title, scores) in enumerate(groups.items()):
        colour = COLOURS[number % len(COLOURS)]
        axes.text(0, height, title, color=colour, weight="bold", va="center", fontsize=10)
        height += 1
        for row in scores:
            axes.plot([row["chance"]] * 2, [height - 0.3, height + 0.3], color=QUIET, linewidth=1.6, zorder=2)
            axes.plot([row["low"], row["high"]], [height, height], color=colour, linewidth=5, alpha=0.3, zorder=3)
            inside = "white" if mark(row) else colour
            axes.plot(row["value"], height, "o", color=colour, markerfacecolor=inside, markersize=7, zorder=4)
            text = f"{percent(row['value'])}  [{interval_text(row)}]"
            axes.text(1.02, height, text, va="center", fontsize=9, color=INK, transform=axes.get_yaxis_transform())
            places.append(height)
            names.append(metric_name(row["metric"]))
            height += 1
        height += 0.35
    axes.set(xlim=(-0.012, 1.012), ylim=(height - 0.5, -0.8), yticks=places)
    axes.set_yticklabels(names, fontsize=9.5)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_title(
        "Scores: point (hollow where it may be chance), 95 % interval (band), chance (grey tick)",
        loc="left",
        fontsize=10.5,
        color=INK,
    )
    save_figure(figure, path)


def draw_funnel(counts: Mapping[str, int], path: Path) -> None:
    """What is left after each step, on a logarithmic scale: the counts span orders of magnitude."""
    figure, axes = new_figure(8.0, 0.7 + 0.36 * len(counts))
    names, values = list(counts), list(counts.values())
    axes.barh(range(len(names)), [max(value, 0.5) for value in values], color=COLOURS[0], height=0.62, left=0.5)
    axes.set_xscale("log")
    axes.set_xlim(0.5, max([*values, 1]) * 8)
    for place, value in enumerate(values):
        axes.text(max(value, 0.6) * 1.25, place, f"{value:,}", va="center", fontsize=9.5, color=INK)
    axes.set_yticks(range(len(names)), names, fontsize=9.5)
    axes.invert_yaxis()
    axes.tick_params(axis="both", length=0)
    axes.set_xticks([])
    axes.minorticks_off()
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title("From words to pairs (logarithmic)", loc="left", fontsize=10.5, color=INK)
    save_figure(figure, path)


def draw_confusion(names: Sequence[str], matrix_CC: np.ndarray, title: str, path: Path) -> None:
    """Rows: the true class. Columns: what it was called. Colour: share of the row's photos."""
    size = max(4.2, 1.8 + 0.19 * len(names))
    figure, axes = new_figure(size + 0.6, size)
    image = axes.imshow(matrix_CC, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    font = 9 if len(names) <= 15 else 7
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=font)
    axes.set_yticks(range(len(names)), names, fontsize=font)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if len(names) <= 12:
        for row in range(len(names)):
            for column in range(len(names)):
                share = matrix_CC[row, column]
                if share >= 0.005:
                    ink = "white" if share > 0.55 else INK
                    axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=ink)
    axes.set(xlabel="what the model called it", ylabel="what it is")
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"], fontsize=8)
    bar.outline.set_visible(False)
    save_figure(figure, path)


def draw_timings(seconds: Mapping[str, float], path: Path) -> None:
    """How long each asset took to build."""
    figure, axes = new_figure(8.0, 0.7 + 0.32 * len(seconds))
    names, values = list(seconds), list(seconds.values())
    axes.barh(range(len(names)), values, color=COLOURS[2], height=0.62)
    for place, value in enumerate(values):
        axes.text(value, place, f"  {value:,.1f} s", va="center", fontsize=9.5, color=INK)
    axes.set_yticks(range(len(names)), names, fontsize=9.5)
    axes.set_xlim(0, max([*values, 1e-3]) * 1.15)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_title("Time to build each asset", loc="left", fontsize=10.5, color=INK)
    save_figure(figure, path)


def draw_training(log_path: Path, settings: TrainingSettings, path: Path) -> None:
    """The loss, the learning rate and the logit scale of a training log. settings: of the training."""
    from clip_pipeline.training.reports.log import read_log
    from clip_pipeline.training.reports.log_plot import plot_log

    plot_log(read_log(log_path), path, settings.batch_size, settings.loss)


def new_figure(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    """An empty chart in the report's style."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(width_inches, height_inches), layout="constrained", dpi=DPI)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(QUIET)
    axes.spines["bottom"].set_color(QUIET)
    axes.set_axisbelow(True)
    return figure, axes


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a chart as PNG, without a date or a version, and frees its memory."""
    from matplotlib import pyplot as plt

    figure.savefig(path, format="png", metadata={"Software": None}, bbox_inches="tight", pad_inches=0.12)
    plt.close(figure)
