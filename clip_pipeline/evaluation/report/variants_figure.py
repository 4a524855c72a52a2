"""The headline scores of training variants in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.evaluation.report.figures import COLOURS, GRID, INK, QUIET, new_figure, save_figure
from clip_pipeline.evaluation.report.terminal_table import group_name, metric_name
from clip_pipeline.evaluation.report.variants import VariantScores, glance_rows

MAX_DRAWN = len(COLOURS)
"""Variants that can be told apart by colour; the table has them all."""


def draw_variants(variants: Sequence[VariantScores], path: Path) -> None:
    """Each headline score with a point a variant and its 95 % interval, and a tick where chance lies."""
    drawn = variants[:MAX_DRAWN]
    rows = glance_rows([one.rows for one in drawn])
    step = 0.8 / len(drawn)
    figure, axes = new_figure(8.6, 1.2 + len(rows) * max(0.34, 0.17 * len(drawn)))
    for height, (first, of_variants) in enumerate(rows):
        if first["chance"] is not None:
            axes.plot([first["chance"]] * 2, [height - 0.45, height + 0.45], color=QUIET, linewidth=1.4, zorder=2)
        for number, row in enumerate(of_variants):
            if row is None:
                continue
            at, colour = height - 0.4 + (number + 0.5) * step, COLOURS[number]
            axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=4, alpha=0.3, zorder=3)
            axes.plot(row["value"], at, "o", color=colour, markersize=5, zorder=4)
    for number, one in enumerate(drawn):
        axes.plot([], [], "o", color=COLOURS[number], markersize=5, label=one.name)
    axes.set(xlim=(-0.012, 1.012), ylim=(len(rows) - 0.4, -0.6), yticks=range(len(rows)))
    axes.set_yticklabels([f"{group_name(row)}: {metric_name(row['metric'])}" for row, _ in rows], fontsize=9)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1))
    axes.set_title("Point, 95 % interval (band), chance (grey tick)", loc="left", fontsize=10.5, color=INK)
    save_figure(figure, path)
