"""The scores of two models side by side, and which differences are more than chance."""

from __future__ import annotations

import json
from pathlib import Path

from clip_pipeline.evaluation.comparison import models
from clip_pipeline.evaluation.comparison.models import Comparison
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.storage.published import published_file

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

    found = models.compare_scores(Path(first), Path(second), samples, seed)
    if output is not None:
        with published_file(output) as path:
            draw_comparison(found, path)
        with published_file(Path(output).with_suffix(".json")) as path:
            path.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    return found
