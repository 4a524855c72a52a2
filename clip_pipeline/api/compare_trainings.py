"""The losses of several trainings in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.storage.published import published_file
from clip_pipeline.training.reports.comparison import Run, plot_runs, read_runs


def compare_trainings(runs: Sequence[str | Path], output: str | Path | None = None) -> list[Run]:
    """The trainings in model folders, each labelled by what tells it from the first; drawn into `output` (.png) where it is given.

    runs: model folders that `train` or the pipeline wrote. Losses are in nats. Raises InputError for a folder without a log.
    """
    found = read_runs([Path(run) for run in runs])
    if output is not None:
        with published_file(output) as path:
            plot_runs(found, path)
    return found
