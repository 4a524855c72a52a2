"""All cells, one after the other; a killed grid loses the cell that was running."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from clip_pipeline.adaptation.fractions import parse_percents
from clip_pipeline.adaptation.methods import METHODS, parse_methods
from clip_pipeline.adaptation.trial_context import Cell, Workbench
from clip_pipeline.adaptation.trials import CELL_FILE, run_cell
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import AdaptationSettings
from clip_pipeline.storage.disk import sync_tree

logger = logging.getLogger(__name__)


def grid_cells(settings: AdaptationSettings) -> list[Cell]:
    """Every cell, a whole grid of the first seed before the second, so that a grid that is stopped early can be looked at.

    wise_ft comes right after full, whose weights it mixes. Zero-shot has nothing random and so one seed.
    """
    methods, percents = parse_methods(settings.methods), parse_percents(settings.fractions)
    return [
        cell
        for number in range(settings.seeds)
        for percent in percents
        for cell in _cells_of(methods, percent, settings, number)
    ]


def cells_of(method: str, percent: float, settings: AdaptationSettings) -> list[Cell]:
    """The cells of one method and fraction, one a seed."""
    return [cell for number in range(settings.seeds) for cell in _cells_of((method,), percent, settings, number)]


def _cells_of(methods: Sequence[str], percent: float, settings: AdaptationSettings, number: int) -> list[Cell]:
    last = [name for name in methods if name == "full" or METHODS[name].interpolated]
    ordered = [name for name in methods if name not in last] + last
    return [Cell(method, percent, settings.seed + number) for method in ordered if method != "zero_shot" or number == 0]


def run_grid(
    open_bench: Callable[[], Workbench],
    cells: Sequence[Cell],
    folder: Path,
    on_cell: Callable[[Cell], None] = lambda cell: None,
) -> list[Path]:
    """Runs the cells that are not finished below `folder`, and returns the folders of all, in their order.

    open_bench: called once, and only where a cell is missing. on_cell: told of each cell that was run.
    """
    missing = [cell for cell in cells if not (folder / cell.name / CELL_FILE).is_file()]
    if missing:
        bench = open_bench()
        with progress("Adapting", len(missing), "cell") as bar:
            for cell in missing:
                logger.info("Adapting by %s with %g %% of the photos, seed %s", cell.method, cell.percent, cell.seed)
                staging = folder / f".{cell.name}.staging"
                shutil.rmtree(staging, ignore_errors=True)
                run_cell(bench, cell, staging)
                sync_tree(staging)
                # renamed whole: a folder under a cell's name is a finished cell
                staging.replace(folder / cell.name)
                on_cell(cell)
                bar.advance(1, cell.name)
    return [folder / cell.name for cell in cells]
