"""Two models on the same samples: how much better is one, and is that more than chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.errors import DatasetError, InputError
from clip_pipeline.evaluation.comparison.outcomes import paired, read_outcomes, resampled_scores
from clip_pipeline.evaluation.report.terminal_table import group_name, metric_name
from clip_pipeline.evaluation.scores import ERRORS, SCORES_FILE, read_scores
from clip_pipeline.evaluation.statistics.paired_tests import bootstrap_p_value, holm, mcnemar_exact

SIGNIFICANCE = 0.05
KEY = ("task", "dataset", "split", "templates", "metric")


@dataclass(frozen=True)
class Difference:
    """One score of both models. difference: first - second, with its 95 % interval of paired resamples. p: of `test`;
    p_corrected: by Holm, for all the scores compared. only_first, only_second: samples that just one model got right, None
    where a sample is more than right or wrong."""

    group: str
    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    n: int
    test: str
    p: float
    p_corrected: float
    only_first: int | None
    only_second: int | None
    less_is_better: bool

    @property
    def significant(self) -> bool:
        """Whether it is more than chance, after the correction."""
        return self.p_corrected < SIGNIFICANCE

    @property
    def winner(self) -> int:
        """1 or 2, 0 where the difference may be chance."""
        if not self.significant:
            return 0
        return 1 if (self.difference > 0) != self.less_is_better else 2


@dataclass(frozen=True)
class Comparison:
    """names: of the two models. left_out: scores that only one has, or whose samples are not kept, with the reason."""

    names: tuple[str, str]
    differences: list[Difference]
    left_out: list[str]

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "first": self.names[0],
            "second": self.names[1],
            "significance": SIGNIFICANCE,
            "correction": "Holm",
            "differences": [asdict(one) | {"significant": one.significant} for one in self.differences],
            "left_out": self.left_out,
        }


@dataclass(frozen=True)
class ScoredModel:
    """name: the model's. scores: its rows, each with the folder that its predictions lie in."""

    name: str
    scores: Sequence[tuple[Mapping[str, Any], Path]]

    def by_key(self) -> dict[tuple[str, ...], tuple[Mapping[str, Any], Path]]:
        return {tuple(row[name] for name in KEY): (row, folder) for row, folder in self.scores}


SAMPLES = 4000
"""Resamples behind each interval and p-value: more than a score's own interval needs, for p-values are of the tails."""


def compare_scores(first: Path, second: Path, samples: int = SAMPLES, seed: int = 0) -> Comparison:
    """Compares every score that both files hold.

    first, second: scores.json of `evaluate`, or folders with one. Raises InputError when they share no score, DatasetError
    when they are of different photos, ShapeError when samples do not join.
    """
    paths = [_scores_file(Path(path)) for path in (first, second)]
    rows = [read_scores(path) for path in paths]
    models = [
        ScoredModel(name, [(row, path.parent) for row in of_file])
        for name, path, of_file in zip(_names(rows, paths), paths, rows, strict=True)
    ]
    if not models[0].by_key().keys() & models[1].by_key().keys():
        raise InputError(
            f"{paths[0]} and {paths[1]} have no score in common. Evaluate both models on the same dataset with the same prompts."
        )
    for key, (row, _) in models[0].by_key().items():
        if key in models[1].by_key() and (why := _other_photos(row, models[1].by_key()[key][0])):
            raise DatasetError(f"{_name(row)}: {why}. Evaluate both on the same dataset.")
    (comparison,) = compare_models([(models[0], models[1])], samples, seed)
    return comparison


def compare_models(
    pairs: Sequence[tuple[ScoredModel, ScoredModel]], samples: int = SAMPLES, seed: int = 0
) -> list[Comparison]:
    """Compares the scores that both models of each pair have; the p-values are corrected for all of them together.

    What only one has, or was scored on other photos, is left out and named. Raises InputError for predictions that are missing,
    ShapeError when samples do not join.
    """
    found = [_differences(*pair, samples, seed) for pair in pairs]
    corrected = iter(holm([one["p"] for differences, _ in found for one in differences]))
    return [
        Comparison(
            (first.name, second.name), [Difference(**one, p_corrected=next(corrected)) for one in differences], left_out
        )
        for (first, second), (differences, left_out) in zip(pairs, found, strict=True)
    ]


def _differences(
    first: ScoredModel, second: ScoredModel, samples: int, seed: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """(the differences, without the corrected p; what is left out, with the reason)"""
    sides = [first.by_key(), second.by_key()]
    names = (first.name, second.name)
    left_out = [
        f"{_name(scores[key][0])}: only of {names[side]}"
        for side, scores in enumerate(sides)
        for key in scores
        if key not in sides[1 - side]
    ]
    found = []
    for key in (key for key in sides[0] if key in sides[1]):
        rows, folders = zip(*(scores[key] for scores in sides), strict=True)
        why = _other_photos(*rows)
        one = None if why else _difference(rows, folders, samples, seed)
        if one is None:
            left_out.append(f"{_name(rows[0])}: {why or 'its samples are not kept'}")
        else:
            found.append(one)
    return found, left_out


def _scores_file(path: Path) -> Path:
    path = path.expanduser()
    file = path / SCORES_FILE if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"There is no {file}. Give a scores.json of `clip-pipeline evaluate`, or a folder with one.")
    return file


def _names(rows: Sequence[Sequence[Mapping[str, Any]]], paths: Sequence[Path]) -> tuple[str, str]:
    """The models' names; where they are equal, the files' tell them apart."""
    first, second = (of_file[0]["provenance"]["model"] if of_file else "" for of_file in rows)
    if first and second and first != second:
        return first, second
    return f"{first or 'first'} ({paths[0]})", f"{second or 'second'} ({paths[1]})"


def _name(row: Mapping[str, Any]) -> str:
    return f"{group_name(row)}: {metric_name(row['metric'])}"


def _other_photos(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """ "" where both models were scored on the same photos, as far as the rows know, else what is wrong."""
    hashes = [row["provenance"]["dataset_sha256"] for row in (first, second)]
    if not all(hashes) or hashes[0] == hashes[1]:
        return ""
    return f"the two models were scored on different photos, labels or captions ({hashes[0][:12]} and {hashes[1][:12]})"


def _difference(
    rows: Sequence[Mapping[str, Any]], folders: Sequence[Path], samples: int, seed: int
) -> dict[str, Any] | None:
    read = [read_outcomes(row, folder) for row, folder in zip(rows, folders, strict=True)]
    if read[0] is None or read[1] is None:
        return None
    first, second = paired(read[0], read[1], _name(rows[0]))
    difference_S = resampled_scores(first, samples, seed) - resampled_scores(second, samples, seed)
    low, high = np.quantile(difference_S, (0.025, 0.975))
    only_first = only_second = None
    test, p = "paired bootstrap", bootstrap_p_value(difference_S)
    if first.one_a_photo and second.one_a_photo:
        only_first = int(np.count_nonzero(first.hits_N > second.hits_N))
        only_second = int(np.count_nonzero(second.hits_N > first.hits_N))
        test, p = "McNemar, exact", mcnemar_exact(only_first, only_second)
    return {
        "group": group_name(rows[0]),
        "metric": rows[0]["metric"],
        "first": rows[0]["value"],
        "second": rows[1]["value"],
        "difference": round(rows[0]["value"] - rows[1]["value"], 6),
        "low": round(float(low), 6),
        "high": round(float(high), 6),
        "n": len(first.ids),
        "test": test,
        "p": p,
        "only_first": only_first,
        "only_second": only_second,
        "less_is_better": rows[0]["metric"] in ERRORS,
    }
