"""The image of a choice: photos a second of each runtime, and whether it may be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLOURS = {"chosen": "#1f5fa8", "agrees": "#9ec1e6", "slower": "#9ec1e6", "differs": "#d1603d"}
INK, QUIET, GRID = "#22272e", "#6b7480", "#e4e7eb"


def draw_runtimes(rows: Sequence[Mapping[str, Any]], benchmark: str, path: Path) -> None:
    """Bars with the slowest and the fastest repeat; cosine and top-1 in words. rows: of `Choice.as_rows`."""
    from matplotlib.figure import Figure

    order = sorted(rows, key=lambda row: -(row["photos_per_second"] or 0))
    figure = Figure(figsize=(9.4, 1.0 + 0.42 * len(order)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    longest = max((row["fastest"] or 0 for row in order), default=0) or 1
    for place, row in enumerate(order):
        rate, status = row["photos_per_second"], row["status"]
        if rate is not None:
            axes.barh(place, rate, height=0.62, color=COLOURS[status])
            axes.plot([row["slowest"], row["fastest"]], [place, place], color=INK, linewidth=1.2)
        at = max(row["fastest"] or 0, 0) + 0.02 * longest
        axes.text(at, place, _words(row, benchmark), va="center", fontsize=8.5, color=INK if rate else QUIET)
    axes.set(xlim=(0, 1.75 * longest), ylim=(len(order) - 0.4, -0.6), xlabel="photos a second, ready pixels")
    axes.set_yticks(range(len(order)), [row["runtime"] for row in order], fontsize=9.5)
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= longest * 1.05])
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(
        "Runtimes: median, slowest and fastest repeat; dark is the one that is used", loc="left", fontsize=10.5
    )
    figure.savefig(path, format="png", metadata={"Software": None})


def _words(row: Mapping[str, Any], benchmark: str) -> str:
    if row["status"] == "missing":
        return "cannot be made here"
    parts = [f"{row['photos_per_second']:,.0f}"] if row["photos_per_second"] is not None else []
    if row["lowest_cosine"] is not None:
        parts.append(f"cosine {row['lowest_cosine']:.5f}")
    if row["top1"] is not None:
        parts.append(f"top-1 on {benchmark} {row['top1']:.1%}")
    return " · ".join([*parts, *(["not used"] if row["status"] == "differs" else [])])
