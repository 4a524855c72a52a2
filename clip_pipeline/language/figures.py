"""The figures of the language models: bits against shortening, bits against time, and the segments of a text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.language.training import COLUMNS
from clip_pipeline.training.reports.log import read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "none": "#6b7480", "fixed": "#b8860b", "whitespace": "#1f5fa8", "unigram": "#7b5ea7", "entropy": "#c2417f",
    "gumbel": "#d1603d", "router": "#3c8d5a",
}  # fmt: skip
SEGMENT_COLOURS = ("#dbe7f5", "#f6e3c5")
TABLE_COLOUR, GRID = "#22272e", "#e4e7eb"
STYLES = ("-", "--", ":", "-.")
CHARACTERS_IN_A_LINE, LINES = 90, 3


def draw_bits(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Test bits against the shortening that was found: the mean of the seeds large, each seed small with its 95 % interval; a line where the best
    table of counts is.

    rows: of scores.parquet. title: whether any model beats that table."""
    test = [row for row in rows if row["split"] == "test"]
    tables = {row["name"]: row for row in rows if row["split"] == "validation" and row["name"].startswith("counts@")}
    order = min(tables, key=lambda name: tables[name]["bits_per_character"])
    level = next(row["bits_per_character"] for row in test if row["name"] == order)
    from matplotlib.ticker import NullLocator

    figure, axes = _axes(8.0, 4.8)
    axes.axhline(level, color=TABLE_COLOUR, linestyle=(0, (4, 3)), linewidth=1.4)
    axes.annotate(f"table of order {order.partition('@')[2]}: {level:.3f}", (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9)  # fmt: skip
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in (row for row in test if row["seed"] is not None):
        by_name.setdefault(row["name"], []).append(row)
    labels = []
    for name, seeds in by_name.items():
        colour, mark = _colour(name), "s" if name.startswith("none") else "o"
        places = [row["shortening"] if np.isfinite(row["shortening"]) else row["window"] for row in seeds]
        bits = [row["bits_per_character"] for row in seeds]
        if seeds[0]["low"] is not None:
            axes.vlines(places, [row["low"] for row in seeds], [row["high"] for row in seeds], color=colour, linewidth=1.2, alpha=0.45)  # fmt: skip
        if len(seeds) > 1:
            axes.plot(places, bits, mark, color=colour, markersize=3.5, alpha=0.6, linestyle="")
        axes.plot(np.mean(places), np.mean(bits), mark, color=colour, markersize=7)
        labels.append((float(np.mean(places)), float(np.mean(bits)), f"{name} ×{len(seeds)}" if len(seeds) > 1 else seeds[0]["key"], colour))  # fmt: skip
    axes.set_xscale("log")
    most = max([4.0, *(place for place, *_ in labels)])
    axes.set_xlim(0.9, 2 * most)
    axes.set_xticks([tick for tick in (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256, 512) if tick <= 2 * most])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    _label(axes, labels)
    axes.set(xlabel="characters a segment, found in the test text", ylabel="bits per character, test")
    axes.set_title("\n".join(textwrap.wrap(title, 95)), fontsize=10, loc="left")
    _save(figure, path)


def _label(axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Names beside their marks (x, y, name, colour), from below; one that would stand on another is moved up, and a thin line leads to its mark."""
    low, high = axes.get_ylim()
    apart = 0.038 * (high - low)
    placed: list[tuple[float, float]] = []
    for x, y, name, colour in sorted(labels, key=lambda label: label[1]):
        free = y
        for other_x, other_y in sorted(placed, key=lambda place: place[1]):
            if 0.5 < other_x / x < 2 and abs(other_y - free) < apart:
                free = other_y + apart
        placed.append((x, free))
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.6} if free != y else None
        axes.annotate(name, (x, y), (x * 1.06, free), textcoords="data", fontsize=8.5, color=colour, va="center", arrowprops=line)  # fmt: skip


def draw_times(logs: Mapping[str, Path], level: float, path: Path) -> None:
    """Validation bits against the processor's minutes, a line a training. logs: train_log.csv by the key of a model. level: of the best table there."""
    figure, axes = _axes(8.0, 4.8)
    axes.axhline(level, color=TABLE_COLOUR, linestyle=(0, (4, 3)), linewidth=1.4, label="table of counts")
    names = list(dict.fromkeys(map(_name, logs)))
    unlabelled = set(names)
    for key, file in logs.items():
        log = read_log(file, COLUMNS)
        bits = np.array(log["validation_bits"])
        measured = np.isfinite(bits)
        minutes = np.array(log["processor_seconds"])[measured] / 60
        name = _name(key)
        # models of one kind have one colour
        style = STYLES[[one for one in names if _colour(one) == _colour(name)].index(name) % len(STYLES)]
        label = name if name in unlabelled else None
        unlabelled.discard(name)
        axes.plot(minutes, bits[measured], marker="o", linestyle=style, color=_colour(key), markersize=3.5, linewidth=1.3, label=label)  # fmt: skip
    axes.set(xlabel="processor minutes of the steps", ylabel="bits per character, beginning of the validation text")
    axes.legend(frameon=False, fontsize=9)
    _save(figure, path)


def draw_segments(text: str, starts: Mapping[str, Sequence[bool]], path: Path) -> None:
    """The beginning of a text, a block of lines for each pooled model, its segments in two colours by turns; of each the first seed."""
    starts = {
        key: begins for key, begins in starts.items() if key == next(one for one in starts if _name(one) == _name(key))
    }
    shown = text[: CHARACTERS_IN_A_LINE * LINES]
    figure, axes = _axes(0.098 * CHARACTERS_IN_A_LINE + 0.4, 0.25 * (LINES + 1) * max(1, len(starts)) + 0.3)
    axes.axis("off")
    row = 0
    for key, begins in starts.items():
        axes.text(0, row, key, fontsize=9, fontweight="bold", color=_colour(key), va="center")
        segment = 0
        for place, character in enumerate(shown):
            line, column = divmod(place, CHARACTERS_IN_A_LINE)
            segment += bool(begins[place])
            axes.add_patch(_box(column, row + 1 + line - 0.5, SEGMENT_COLOURS[segment % 2]))
            axes.text(column + 0.5, row + 1 + line, character, fontsize=9, family="monospace", ha="center", va="center")
        row += 1 + LINES
    axes.set(xlim=(0, CHARACTERS_IN_A_LINE), ylim=(row, -1))
    _save(figure, path)


def _box(left: float, top: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, top), 1, 1, facecolor=colour, linewidth=0)


def _name(key: str) -> str:
    """Of a model without its seed."""
    return key.rpartition("-")[0]


def _colour(key: str) -> str:
    return COLOURS[key.partition("@")[0].partition("-")[0]]


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained", dpi=110)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
