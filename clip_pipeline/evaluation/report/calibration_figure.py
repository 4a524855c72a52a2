"""The reliability diagram: accuracy against confidence, bin by bin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.evaluation.report.figures import COLOURS, DPI, GRID, INK, QUIET, save_figure
from clip_pipeline.evaluation.statistics.bootstrap import wilson_interval
from clip_pipeline.evaluation.statistics.calibration import BINS, Bin


def draw_calibration(bins: Sequence[Bin], title: str, path: Path) -> None:
    """Above, the share that is right in each bin with its 95 % interval (Wilson's) and the diagonal of a calibrated model;
    below, how many photos each bin holds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.2, 5.6), dpi=DPI, layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    for axes in (above, below):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.set_axisbelow(True)
        axes.grid(axis="y", color=GRID, linewidth=0.8)
    above.plot([0, 1], [0, 1], color=QUIET, linewidth=1.2, linestyle="--", label="calibrated")
    for one in bins:
        low, high = wilson_interval(one.accuracy, one.photos)
        above.plot([one.confidence] * 2, [low, high], color=COLOURS[0], linewidth=5, alpha=0.3, zorder=3)
    above.plot(
        [one.confidence for one in bins],
        [one.accuracy for one in bins],
        "o-",
        color=COLOURS[0],
        linewidth=1.2,
        markersize=6,
        zorder=4,
        label="this model",
    )
    above.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="share that is right")
    above.legend(frameon=False, fontsize=9, loc="upper left")
    above.set_title(title, loc="left", fontsize=10.5, color=INK)
    centres = [(one.low + one.high) / 2 for one in bins]
    below.bar(centres, [one.photos for one in bins], width=0.9 / BINS, color=COLOURS[0])
    below.set(ylabel="photos", xlabel="confidence: probability of the class that the model names")
    for axis in (above.xaxis, above.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    save_figure(figure, path)
