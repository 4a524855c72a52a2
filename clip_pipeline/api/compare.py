"""Two sets of scores, or two trainings, beside each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.evaluation.comparison import models
from clip_pipeline.evaluation.comparison.models import Comparison
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.storage.published import check_output_file, published_file
from clip_pipeline.training.reports.comparison import Run, plot_runs, read_runs

SAMPLES = models.SAMPLES


def compare_scores(
    first: str | Path,
    second: str | Path,
    output: str | Path | None = None,
    *,
    samples: int = SAMPLES,
    seed: int = DEFAULTS.evaluation.seed,
) -> Comparison:
    """Compares two models sample by sample: paired bootstrap, McNemar's exact test, p-values corrected by Holm.

    first, second: scores.json of `evaluate` on the same dataset, or folders with one. output: a figure (.png) to write; the numbers
    go beside it as .json. samples: resamples behind each 95 % interval. seed: of the resampling. Differences are fractions,
    first - second. Raises InputError when they share no score, DatasetError when they are of different photos, ShapeError when
    samples do not join.
    """
    from clip_pipeline.evaluation.comparison.figure import draw_comparison

    for place in () if output is None else (output, Path(output).with_suffix(".json")):
        check_output_file(place)
    found = models.compare_scores(Path(first), Path(second), samples, seed)
    if output is not None:
        with published_file(output) as path:
            draw_comparison(found, path)
        with published_file(Path(output).with_suffix(".json")) as path:
            path.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    return found


def compare_trainings(runs: Sequence[str | Path], output: str | Path | None = None) -> list[Run]:
    """The trainings in model folders, each labelled by what tells it from the first; drawn into `output` (.png) where it is given.

    runs: model folders that `train` or the pipeline wrote. Losses are in nats. Raises InputError for a folder without a log.
    """
    if output is not None:
        check_output_file(output)
    found = read_runs([Path(run) for run in runs])
    if output is not None:
        with published_file(output) as path:
            plot_runs(found, path)
    return found
