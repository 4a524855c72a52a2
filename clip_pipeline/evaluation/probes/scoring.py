"""Scores of the probes of one dataset, with the prediction of every photo."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import IMAGES
from clip_pipeline.embedding.files import aligned_rows, read_embeddings
from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.intervals import mean_interval
from clip_pipeline.evaluation.probes.few_shot import mean_over_draws, train_few_shot_probes
from clip_pipeline.evaluation.probes.linear import train_linear_probe
from clip_pipeline.evaluation.probes.mlp import train_mlp_probe
from clip_pipeline.evaluation.probes.splits import ProbeSplit, probe_splits
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE, score_row, write_scores
from clip_pipeline.evaluation.zero_shot import LabelTruth, mean_per_class_recall
from clip_pipeline.settings import EvaluationSettings, ProbeSettings

logger = logging.getLogger(__name__)

LINEAR, MLP, FEW_SHOT = "linear_probe", "mlp_probe", "few_shot_probe"

PREDICTIONS = pa.schema(
    [
        pa.field("probe", pa.string(), nullable=False),
        pa.field("shots", pa.int32()),
        pa.field("seed", pa.int32()),
        pa.field("split", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("predicted", pa.int32(), nullable=False),
        pa.field("correct", pa.bool_(), nullable=False),
    ]
)
"""One row a probe and tested photo. shots and seed are null but for few-shot probes, which have a row for each draw."""


@dataclass(frozen=True)
class _Tested:
    """What one probe said of the photos of one split. rows: of the embeddings. labels_M, predicted_M: class indices."""

    probe: str
    split: str
    rows: np.ndarray
    labels_M: np.ndarray
    predicted_M: np.ndarray
    shots: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.labels_M) == len(self.predicted_M):
            raise ShapeError(
                f"{self.probe} gave {len(self.predicted_M):,} predictions for {len(self.rows):,} photos of {self.split}, "
                "expected one each."
            )

    @property
    def hits_M(self) -> np.ndarray:
        return self.predicted_M == self.labels_M


def probe_scores(
    images_folder: Path,
    truth: LabelTruth,
    settings: EvaluationSettings,
    probe: ProbeSettings,
    folder: Path,
    scored: Scored | None = None,
) -> list[dict[str, Any]]:
    """Trains and scores the probes of a labelled dataset; writes the score files, predictions.parquet and the linear heads.

    Rows of a tested split: top1 and mean_per_class_recall of linear_probe and mlp_probe, their accuracy on what they
    were trained on (top1_on_training), and few_shot_probe's top1_1_shot, top1_2_shot, … Which photos are which is
    `probe_splits`'s. linear_head_SPLIT.npz holds the head (`head.read_head`), its rows in the order of the classes that occur.
    Photos that could not be embedded have no row in the images and are left out. Raises ShapeError when ids do not agree or
    embeddings are not finite, DatasetError for a single class or one that is never trained on.
    """
    image_keys, stored_ND = read_embeddings(images_folder, IMAGES)
    ids = image_keys["id"].to_pylist()
    order = aligned_rows(f"{truth.dataset}: labels of the photos", ids, truth.ids)
    labels_N, splits_N = np.asarray(truth.labels)[order], np.asarray(truth.splits)[order]
    if settings.shuffle_labels:
        labels_N = np.random.default_rng(settings.seed).permutation(labels_N)
    features_ND = np.asarray(stored_ND, np.float32)
    rows: list[dict[str, Any]] = []
    tested: list[_Tested] = []
    folder.mkdir(parents=True, exist_ok=True)
    for split in probe_splits(truth.dataset, labels_N, splits_N.tolist(), truth.class_names, probe):
        for one in _score_split(truth.dataset, split, features_ND, labels_N, settings, probe, folder):
            rows += one[0]
            tested += one[1]
    tables = [_predictions(one, ids) for one in tested]
    pq.write_table(
        pa.concat_tables(tables) if tables else PREDICTIONS.empty_table(), folder / PREDICTIONS_FILE, compression="zstd"
    )
    return write_scores(rows, folder, scored or Scored(), settings)


def _score_split(
    dataset: str,
    split: ProbeSplit,
    features_ND: np.ndarray,
    labels_N: np.ndarray,
    settings: EvaluationSettings,
    probe: ProbeSettings,
    folder: Path,
) -> Iterator[tuple[list[dict[str, Any]], list[_Tested]]]:
    learnt = split.learnt
    classes = np.unique(labels_N[learnt])
    index_N = np.searchsorted(
        classes, labels_N
    )  # of photos of classes that are never trained on, nonsense, and never used

    def predictions(name: str, rows: np.ndarray, index_M: np.ndarray) -> _Tested:
        return _Tested(name, split.name, rows, labels_N[rows], classes[index_M])

    linear = train_linear_probe(features_ND, index_N, split.train, split.validation, probe)
    linear.head.save(folder / f"linear_head_{split.name}.npz")
    logger.info(
        "%s %s: C = %.3g of %d has the best validation accuracy, %.4f",
        dataset, split.name, linear.head.strength, len(linear.strengths), linear.validation_accuracy.max(),
    )  # fmt: skip
    heads: list[tuple[str, Any]] = [(LINEAR, linear.head)]
    if probe.mlp_epochs:
        heads.append((MLP, train_mlp_probe(features_ND[learnt], index_N[learnt], len(classes), probe)))
    for name, head in heads:
        on_test = predictions(name, split.test, head.predict(features_ND[split.test]))
        on_training = predictions(name, learnt, head.predict(features_ND[learnt]))
        yield _rows(dataset, on_test, on_training, len(classes), settings), [on_test]
    yield _few_shot(dataset, split, features_ND, labels_N, index_N, classes, settings, probe)


def _rows(
    dataset: str, on_test: _Tested, on_training: _Tested, classes: int, settings: EvaluationSettings
) -> list[dict[str, Any]]:
    samples, seed, chance = settings.bootstrap_samples, settings.seed, 1 / classes

    def row(metric: str, value: float, limits: tuple[float, float], n: int) -> dict[str, Any]:
        return score_row(on_test.probe, dataset, on_test.split, metric, value, limits, n, chance)

    hits_M, fitted_M = on_test.hits_M, on_training.hits_M
    present, target_M = np.unique(on_test.labels_M, return_inverse=True)
    recall, limits = mean_per_class_recall(target_M, hits_M, len(present), samples, seed)
    return [
        row("top1", float(hits_M.mean()), mean_interval(hits_M, samples, seed), len(hits_M)),
        row("mean_per_class_recall", recall, limits, len(hits_M)),
        row("top1_on_training", float(fitted_M.mean()), mean_interval(fitted_M, samples, seed), len(fitted_M)),
    ]


def _few_shot(
    dataset: str,
    split: ProbeSplit,
    features_ND: np.ndarray,
    labels_N: np.ndarray,
    index_N: np.ndarray,
    classes: np.ndarray,
    settings: EvaluationSettings,
    probe: ProbeSettings,
) -> tuple[list[dict[str, Any]], list[_Tested]]:
    rows, tested = [], []
    true_M = labels_N[split.test]
    for found in train_few_shot_probes(features_ND, index_N, split, probe):
        predicted_SM = classes[found.predicted_SM]
        hits_SM = predicted_SM == true_M
        photo_limits = mean_interval(hits_SM.mean(axis=0), settings.bootstrap_samples, settings.seed)
        value, limits = mean_over_draws(hits_SM, photo_limits)
        name = f"top1_{found.shots}_shot"
        rows.append(score_row(FEW_SHOT, dataset, split.name, name, value, limits, len(true_M), 1 / len(classes)))
        tested += [
            _Tested(FEW_SHOT, split.name, split.test, true_M, predicted_M, found.shots, probe.seed + draw)
            for draw, predicted_M in enumerate(predicted_SM)
        ]
    return rows, tested


def _predictions(tested: _Tested, ids: Sequence[str]) -> pa.Table:
    count = len(tested.rows)
    columns = {
        "probe": [tested.probe] * count,
        "shots": [tested.shots] * count,
        "seed": [tested.seed] * count,
        "split": [tested.split] * count,
        "id": [ids[row] for row in tested.rows],
        "label": tested.labels_M,
        "predicted": tested.predicted_M,
        "correct": tested.hits_M,
    }
    return pa.table(
        {name: pa.array(column, PREDICTIONS.field(name).type) for name, column in columns.items()}, PREDICTIONS
    )
