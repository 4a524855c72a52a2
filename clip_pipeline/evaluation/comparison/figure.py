"""A comparison of two models as an image."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.evaluation.comparison.models import Comparison
from clip_pipeline.evaluation.comparison.text import p_text, points
from clip_pipeline.evaluation.report.figures import COLOURS, GRID, INK, QUIET, new_figure, save_figure
from clip_pipeline.evaluation.report.terminal_table import metric_name


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Each difference as a point with its 95 % interval: right of 0 the first model scores higher, coloured where that is more
    than chance."""
    differences = comparison.differences
    groups = list(dict.fromkeys(one.group for one in differences))
    figure, axes = new_figure(8.8, 1.5 + 0.33 * (len(differences) + 1.3 * len(groups)))
    reach = max([0.01, *(max(abs(one.low), abs(one.high)) for one in differences)]) * 1.08
    height, places, names = 0.0, [], []
    for group in groups:
        axes.text(-reach, height, group, weight="bold", va="center", fontsize=10, color=INK)
        height += 1
        for one in (one for one in differences if one.group == group):
            colour = (QUIET, COLOURS[0], COLOURS[1])[one.winner]
            axes.plot([one.low, one.high], [height, height], color=colour, linewidth=5, alpha=0.35, zorder=3)
            axes.plot(one.difference, height, "o", color=colour, markersize=7, zorder=4)
            text = f"{points(one.difference)}   p = {p_text(one.p_corrected)}"
            axes.text(1.02, height, text, va="center", fontsize=9, color=INK, transform=axes.get_yaxis_transform())
            places.append(height)
            names.append(metric_name(one.metric) + (" (less is better)" if one.less_is_better else ""))
            height += 1
        height += 0.35
    axes.axvline(0, color=INK, linewidth=1, zorder=2)
    axes.set(xlim=(-reach, reach), ylim=(height - 0.5, -0.8), yticks=places)
    axes.set_yticklabels(names, fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:+.3g}" if value else "0")
    first, second = comparison.names
    axes.set_xlabel("difference in percentage points, first - second", fontsize=9, color=QUIET)
    axes.set_title(
        f"first: {first}\nsecond: {second}\n"
        "Point, 95 % interval of paired resamples; coloured where Holm's corrected p is below 5 %",
        loc="left", fontsize=9.5, color=INK, x=0,
    )  # fmt: skip
    save_figure(figure, path)
