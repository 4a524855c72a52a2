"""Photos with what the model says of them, as PNG files."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.evaluation.report.examples import FOUND_SHOWN, ClassifiedPhoto, Search
from clip_pipeline.evaluation.report.figures import DPI, INK, QUIET
from clip_pipeline.pixels.decode import decode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIGHT, WRONG = "#2e8b57", "#c4432b"
COLUMNS = 4


def draw_classified(photos: Sequence[ClassifiedPhoto], title: str, path: Path) -> None:
    """A grid of photos, each with its label and the three nearest classes; the right one green, a wrong first one red."""
    plt = _pyplot()
    rows = -(-len(photos) // COLUMNS)
    figure, grid = plt.subplots(
        rows, COLUMNS, figsize=(9, 0.5 + 2.35 * rows), layout="constrained", dpi=DPI, squeeze=False
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, color=INK)
    for axes, photo in zip(grid.flat, [*photos, *[None] * (rows * COLUMNS - len(photos))], strict=True):
        if photo is None:
            axes.set_axis_off()
            continue
        _show(axes, photo.photo, RIGHT if photo.correct else WRONG)
        axes.set_title(_shortened(photo.label, 24), fontsize=9.5, color=INK, weight="bold", pad=4)
        for line, (name, cosine) in enumerate(photo.best):
            colour = RIGHT if name == photo.label else WRONG if line == 0 else QUIET
            text = f"{line + 1}. {_shortened(name, 22)}  {cosine:.2f}"
            axes.annotate(
                text, (0.0, 0.0), (0, -11 - 12 * line), "axes fraction", "offset points", fontsize=8.5, color=colour
            )
    figure.get_layout_engine().set(h_pad=0.1, w_pad=0.06)
    _save(figure, path)


def draw_searches(searches: Sequence[Search], title: str, path: Path) -> None:
    """A row a caption: the five photos nearest to it, its own photo framed in green."""
    plt = _pyplot()
    figure, grid = plt.subplots(
        len(searches), FOUND_SHOWN + 1, figsize=(9, 0.4 + 1.35 * len(searches)), layout="constrained", dpi=DPI,
        squeeze=False, width_ratios=[1.9, *[1] * FOUND_SHOWN],
    )  # fmt: skip
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, color=INK)
    for line, search in zip(grid, searches, strict=True):
        line[0].set_axis_off()
        words = textwrap.fill(_shortened(search.text, 90), 27)
        line[0].text(0, 0.95, words, va="top", fontsize=9, color=INK, transform=line[0].transAxes)
        own = RIGHT if search.is_found else WRONG
        where = f"own photo at rank {search.rank_text}"
        line[0].text(0, 0.02, where, va="bottom", fontsize=8.5, color=own, transform=line[0].transAxes)
        for axes, found in zip(line[1:], [*search.photos, *[None] * (FOUND_SHOWN - len(search.photos))], strict=True):
            if found is None:
                axes.set_axis_off()
            else:
                _show(axes, found[0], RIGHT if found[1] else None)
    _save(figure, path)


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def _show(axes: Axes, content: bytes, frame: str | None) -> None:
    axes.imshow(decode(content).rows_HW3)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(frame is not None)
        side.set_color(frame or "none")
        side.set_linewidth(3)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _save(figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})
    _pyplot().close(figure)
