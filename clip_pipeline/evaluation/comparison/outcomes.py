"""What became of every sample behind a score: read back from the predictions, so that two models can be compared on them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clip_pipeline.embedding.store import aligned_rows
from clip_pipeline.errors import InputError, ShapeError
from clip_pipeline.evaluation.statistics.bootstrap import resampled_group_sums, resampled_sums
from clip_pipeline.evaluation.statistics.calibration import BINS, bin_of
from clip_pipeline.storage.disk import hash_file

AT_K = re.compile(r"(?:top|recall@)(\d+)$")
SHOTS = re.compile(r"top1_(\d+)_shot$")


@dataclass(frozen=True)
class Outcomes:
    """The samples behind one score, in one order. ids: of the samples. units: of the photo that each sample is of; samples of
    one photo are drawn together. truth: what is right. hits_N: 1 right, 0 wrong, or a share. confidence_N: of the answer, NaN
    where it is not known. kind: how the score is made of them: `mean`, `per_class` or `ece`."""

    ids: list[str]
    units: list[str]
    truth: list[str]
    hits_N: np.ndarray
    confidence_N: np.ndarray
    kind: str

    @property
    def one_a_photo(self) -> bool:
        """Whether every sample is a photo of its own that is right or wrong, as McNemar's test wants."""
        return self.kind == "mean" and self.ids == self.units and bool(np.isin(self.hits_N, (0, 1)).all())


def read_outcomes(row: Mapping[str, Any], folder: Path) -> Outcomes | None:
    """The samples behind a row of scores; None for a metric that the predictions do not hold (such as one on training photos).

    folder: of the scores file. Raises InputError when the predictions are missing or not those of the score.
    """
    block = row["provenance"]
    path = Path(folder) / block["predictions"]
    if not path.is_file():
        raise InputError(f"{path} does not exist: the predictions behind the scores. Evaluate the model again.")
    if hash_file(path) != block["predictions_sha256"]:
        raise InputError(f"{path} is not the file that the scores were made of. Evaluate the model again.")
    table = pq.read_table(path)
    wanted = {"split": row["split"], "templates": row["templates"], "probe": row["task"]}
    shots = SHOTS.fullmatch(row["metric"])
    if shots:
        wanted["shots"] = int(shots[1])
    for column, value in wanted.items():
        if column in table.column_names:
            table = table.filter(pc.equal(table[column], value))
    return _outcomes(row["metric"], table, bool(shots))


def _outcomes(metric: str, table: pa.Table, repeated: bool) -> Outcomes | None:
    columns = {name: table[name].to_pylist() for name in table.column_names}
    ids = columns.get("id", columns.get("photo_id"))
    if ids is None or not len(table):
        return None
    units = columns.get("photo_id", ids)
    truth = [str(one) for one in columns.get("label", units)]
    confidence_N = np.array(columns.get("confidence", [None] * len(ids)), float)
    at = AT_K.search(metric)
    if repeated:
        return _mean_by_id(ids, truth, np.array(columns["correct"], float))
    if metric == "top1_all_classes" and "correct_among_all" in columns:
        hits, kind = columns["correct_among_all"], "mean"
    elif metric in ("mean_per_class_recall", "ece"):
        hits, kind = _first_places(columns), "ece" if metric == "ece" else "per_class"
    elif at and "place" in columns:
        hits, kind = [place < int(at[1]) for place in columns["place"]], "mean"
    elif metric == "top1":
        hits, kind = _first_places(columns), "mean"
    else:
        return None
    return Outcomes(ids, units, truth, np.array(hits, float), confidence_N, kind)


def _first_places(columns: Mapping[str, list]) -> list[bool]:
    if "correct" in columns:
        return columns["correct"]
    return [label == predicted for label, predicted in zip(columns["label"], columns["predicted"], strict=True)]


def _mean_by_id(ids: Sequence[str], truth: Sequence[str], hits_N: np.ndarray) -> Outcomes:
    """Draws of one photo as one sample: the share of them that was right."""
    label_of = dict(zip(ids, truth, strict=True))
    names, number_N = np.unique(np.asarray(ids), return_inverse=True)
    share = np.bincount(number_N, weights=hits_N) / np.bincount(number_N)
    every = names.tolist()
    return Outcomes(every, every, [label_of[one] for one in every], share, np.full(len(every), np.nan), "mean")


def paired(first: Outcomes, second: Outcomes, what: str) -> tuple[Outcomes, Outcomes]:
    """Both with the samples in the order of the first. Raises ShapeError unless they are of the same samples with the same truth."""
    for one in (first, second):
        if len(set(one.ids)) != len(one.ids):
            raise ShapeError(f"{what}: a sample occurs more than once in the predictions. Evaluate the model again.")
    if len(first.ids) != len(second.ids):
        raise ShapeError(
            f"{what}: {len(first.ids):,} samples of the first model and {len(second.ids):,} of the second. "
            "Evaluate both on the same dataset."
        )
    order = aligned_rows(f"{what}: samples of the first model among those of the second", first.ids, second.ids)
    turned = Outcomes(
        first.ids,
        [second.units[row] for row in order],
        [second.truth[row] for row in order],
        second.hits_N[order],
        second.confidence_N[order],
        second.kind,
    )
    wrong = next((row for row in range(len(order)) if first.truth[row] != turned.truth[row]), None)
    if wrong is not None:
        raise ShapeError(
            f"{what}: the sample {first.ids[wrong]} is {first.truth[wrong]} for the first model and {turned.truth[wrong]} for "
            "the second. Evaluate both on the same dataset."
        )
    return first, turned


def resampled_scores(outcomes: Outcomes, samples: int, seed: int) -> np.ndarray:
    """(samples,) the score of each bootstrap resample of the photos. Equal photos and seed give the same draws, so that the
    difference of two models' arrays is that of paired resamples."""
    _, unit_N = np.unique(np.asarray(outcomes.units), return_inverse=True)
    hits_N = outcomes.hits_N
    if outcomes.kind == "mean":
        sums = np.stack([np.bincount(unit_N, weights=hits_N), np.bincount(unit_N)], axis=1)
        sums_S2 = resampled_sums(sums, samples, seed)
        return sums_S2[:, 0] / sums_S2[:, 1]
    order = np.argsort(unit_N, kind="stable")  # one sample a photo: in the same order for both models
    hits_N = hits_N[order]
    if outcomes.kind == "ece":
        confidence_N = outcomes.confidence_N[order]
        sums_SB = resampled_group_sums(hits_N - confidence_N, bin_of(confidence_N), BINS, samples, seed)
        return np.abs(sums_SB).sum(axis=1) / len(hits_N)
    _, class_N = np.unique(np.asarray(outcomes.truth)[order], return_inverse=True)
    classes = int(class_N.max()) + 1
    hits_SC = resampled_group_sums(hits_N, class_N, classes, samples, seed)
    totals_SC = resampled_group_sums(np.ones(len(hits_N)), class_N, classes, samples, seed)
    recall_SC = np.divide(hits_SC, totals_SC, out=np.zeros_like(hits_SC), where=totals_SC > 0)
    return recall_SC.sum(axis=1) / (totals_SC > 0).sum(axis=1)
