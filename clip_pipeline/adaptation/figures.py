"""The images of the adaptation. The same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.adaptation.methods import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clip_pipeline.adaptation.learning_curve import Point

COLOURS = ("#6b7480", "#1f5fa8", "#2a9d9d", "#3c8d5a", "#9bbf3b", "#b8860b", "#d1603d", "#c2417f", "#7b5ea7", "#22272e")
MARKERS = ("", "o", "s", "^", "v", "D", "P", "X", "*", "h")
COLOUR_OF = dict(zip(METHODS, COLOURS, strict=True))
MARKER_OF = dict(zip(METHODS, MARKERS, strict=True))
GRID = "#e4e7eb"


def draw_curves(points: Sequence[Point], dataset: str, out_of_domain: str, path: Path) -> None:
    """Accuracy against the photos trained on, with 95 % intervals; beside it the zero-shot accuracy that is left elsewhere."""
    figure, panels = _panels(2 if out_of_domain else 1, 6.4, 5.0)
    panels[0].set_ylabel(f"top-1 on {dataset}, %")
    for method, of_method in _by_method(points).items():
        rows = [point.row() for point in of_method]
        _draw_method(panels[0], method, rows, "top1", rows)
        if out_of_domain:
            _draw_method(panels[1], method, rows, "out_of_domain_top1")
    panels[0].set_ylim(bottom=0)
    if out_of_domain:
        panels[1].set_ylabel(f"zero-shot top-1 on {out_of_domain} afterwards, %")
        panels[1].set_ylim(bottom=0)
    for axes in panels:
        _photo_axis(axes, points)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9
    )
    _save(figure, path)


def _draw_method(
    axes: Axes, method: str, rows: Sequence[Mapping[str, Any]], column: str, band: Sequence[Any] = ()
) -> None:
    values = [100 * row[column] for row in rows]
    if method == "zero_shot":
        _draw_level(axes, method, values[0])
        return
    photos = [row["photos"] for row in rows]
    axes.plot(
        photos, values, color=COLOUR_OF[method], marker=MARKER_OF[method], markersize=5, linewidth=1.6, label=method
    )
    if band:
        low, high = ([100 * row[name] for row in band] for name in ("low", "high"))
        axes.fill_between(photos, low, high, color=COLOUR_OF[method], alpha=0.1, linewidth=0)


def _draw_level(axes: Axes, method: str, value: float) -> None:
    """What needs no photos and learns nothing: a line across."""
    axes.axhline(value, color=COLOUR_OF[method], linestyle=(0, (4, 3)), linewidth=1.4, label=method)


def _photo_axis(axes: Axes, points: Sequence[Point]) -> None:
    """Logarithmic; named by photos and percent."""
    places = {point.about[0]["photos"]: point.percent for point in points}
    axes.set_xscale("log")
    axes.minorticks_off()
    spread = [photos for photos in sorted(places) if places[photos] in _named_percents(list(places.values()))]
    axes.set_xticks(spread, [f"{photos:,}\n{places[photos]:g} %" for photos in spread], fontsize=8.5)
    axes.set_xlabel("photos trained on")


def _named_percents(percents: Sequence[float]) -> set[float]:
    """Those whose labels do not lie over each other on a logarithmic axis."""
    kept: list[float] = []
    for percent in sorted(percents, reverse=True):
        if not kept or kept[-1] / percent >= 1.6:
            kept.append(percent)
    return set(kept)


def draw_costs(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Accuracy with the largest fraction against the processor's seconds, and against the numbers that learn."""
    largest = max(row["percent"] for row in rows)
    figure, panels = _panels(2, 5.6, 4.4)
    for row in rows:
        if row["percent"] != largest:
            continue
        for axes, column in zip(panels, ("processor_seconds", "learnt"), strict=True):
            colour = COLOUR_OF[row["method"]]
            if not row["learnt"]:  # nought has no place on a logarithmic axis
                _draw_level(axes, row["method"], 100 * row["top1"])
                continue
            shown = max(row[column], 1e-2)
            axes.plot(
                shown,
                100 * row["top1"],
                marker=MARKER_OF[row["method"]],
                color=colour,
                markersize=7,
                linestyle="",
                label=row["method"],
            )
            axes.vlines(shown, 100 * row["low"], 100 * row["high"], color=colour, linewidth=1.4, alpha=0.5)
    panels[0].set(
        xscale="log", xlabel="seconds of processor time, one trial", ylabel=f"top-1 with {largest:g} % of the photos, %"
    )
    panels[1].set(xscale="log", xlabel="numbers that learn", ylim=panels[0].get_ylim())
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9
    )
    _save(figure, path)


def draw_losses(points: Sequence[Point], path: Path) -> None:
    """Training and validation loss of each trained method, the smallest, a middle and the largest fraction, first seed."""
    trained = {name: [point for point in found if point.logs[0]] for name, found in _by_method(points).items()}
    trained = {name: found for name, found in trained.items() if found}
    columns = min(4, len(trained))
    figure, panels = _panels(len(trained), 3.3, 2.7, columns)
    for axes, (method, found) in zip(panels, trained.items(), strict=False):
        shown = {0: "#9ec1e6", len(found) // 2: "#1f5fa8", len(found) - 1: "#22272e"}
        for place, colour in shown.items():
            log = found[place].logs[0]
            steps = [row["step"] for row in log]
            axes.plot(
                steps,
                [row["validation_loss"] for row in log],
                color=colour,
                linewidth=1.8,
                label=f"{found[place].percent:g} %",
            )
            axes.plot(steps, [row["train_loss"] for row in log], color=colour, linewidth=1.2, linestyle=(0, (2, 2)))
        axes.set_title(method, fontsize=10, loc="left")
        axes.legend(frameon=False, fontsize=8)
    for axes in panels[len(trained) :]:
        axes.set_visible(False)
    panels[0].set_ylabel("cross-entropy, nats")
    figure.supxlabel("step (line: validation, dots: training)", fontsize=9.5)
    _save(figure, path)


def draw_alphas(points: Sequence[Point], path: Path) -> None:
    """Accuracy on the way from the weights before (0) to those of full fine-tuning (1), a line a fraction, mean of seeds."""
    found = [point for point in points if any("alphas" in about["facts"] for about in point.about)]
    has_far = all("out_of_domain_top1" in one for point in found for one in point.about[0]["facts"]["alphas"])
    figure, panels = _panels(2 if has_far else 1, 5.2, 4.2)
    for place, point in enumerate(found):
        shade = 0.25 + 0.75 * (place + 1) / len(found)
        alphas = [one["alpha"] for one in point.about[0]["facts"]["alphas"]]
        for axes, column in zip(panels, ("test_top1", "out_of_domain_top1"), strict=False):
            curves = [[100 * one[column] for one in about["facts"]["alphas"]] for about in point.about]
            axes.plot(
                alphas,
                np.mean(curves, axis=0),
                color=COLOUR_OF["wise_ft"],
                alpha=shade,
                marker="o",
                markersize=4,
                label=f"{point.percent:g} %",
            )
    panels[0].set(xlabel="share of the adapted weights", ylabel="top-1, %", ylim=(0, None))
    panels[0].legend(frameon=False, fontsize=8.5, title="photos")
    if has_far:
        panels[1].set(xlabel="share of the adapted weights", ylabel="zero-shot top-1 out of domain, %", ylim=(0, None))
    _save(figure, path)


def _by_method(points: Sequence[Point]) -> dict[str, list[Point]]:
    return {
        name: [point for point in points if point.method == name]
        for name in dict.fromkeys(point.method for point in points)
    }


def _panels(count: int, width: float, height: float, columns: int = 0) -> tuple[Figure, list[Axes]]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    columns = columns or count
    rows = -(-count // columns)
    figure, sweep = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), layout="constrained", dpi=110, squeeze=False
    )
    for axes in sweep.flat:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
    return figure, list(sweep.flat)


def _save(figure: Figure, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
