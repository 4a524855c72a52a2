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

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.embedding.dataset import IMAGES
from clip_pipeline.embedding.store import about_embeddings, aligned_rows, read_embeddings
from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.probes.few_shot import mean_over_draws, train_few_shot_probes
from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.evaluation.probes.linear import inverse_regularizations_to_try, train_linear_probe
from clip_pipeline.evaluation.probes.mlp import MlpHead, train_mlp_probe
from clip_pipeline.evaluation.probes.splits import ProbeSplit, probe_splits
from clip_pipeline.evaluation.provenance import Scored, with_vectors
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE, score_row, write_scores
from clip_pipeline.evaluation.statistics.bootstrap import mean_interval
from clip_pipeline.evaluation.zero_shot import LabelTruth, mean_per_class_recall
from clip_pipeline.settings import EvaluationSettings, ProbeSettings

logger = logging.getLogger(__name__)

LINEAR, MLP, FEW_SHOT = "linear_probe", "mlp_probe", "few_shot_probe"
BEST = 5

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
    left_out: LeftOut | None = None,
) -> list[dict[str, Any]]:
    """Trains and scores the probes of a labelled dataset; writes the score files, predictions.parquet and the linear heads.

    Rows of a tested split: top1, top5 (of more than five classes) and mean_per_class_recall of linear_probe and mlp_probe,
    their accuracy on what they were trained on (top1_on_training), and few_shot_probe's top1_1_shot, top1_2_shot, … Which photos are which is
    `probe_splits`'s. linear_head_SPLIT.npz holds the head (`head.read_head`), its rows in the order of the classes that occur.
    Photos that could not be embedded have no row in the images and are left out; left_out: as of `probe_splits`. Raises ShapeError when ids do not agree or
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
    splits = probe_splits(truth.dataset, labels_N, splits_N.tolist(), truth.class_names, probe, left_out)
    for split in splits:
        part = _Part(truth.dataset, split, features_ND, labels_N, settings, probe, len(truth.ids) - len(ids))
        for some_rows, some_tested in (*part.full_probes(folder), part.few_shot_probes()):
            rows += some_rows
            tested += some_tested
    tables = [_predictions(one, ids) for one in tested] or [PREDICTIONS.empty_table()]
    pq.write_table(pa.concat_tables(tables), folder / PREDICTIONS_FILE, compression="zstd")
    scored = with_vectors(scored, about_embeddings(image_keys))
    return write_scores(rows, folder, scored, settings)


class _Part:
    """One split's probes. features_ND, labels_N: of all photos of the dataset. left_out: of all splits, as a probe learns from several."""

    def __init__(
        self,
        dataset: str,
        split: ProbeSplit,
        features_ND: np.ndarray,
        labels_N: np.ndarray,
        settings: EvaluationSettings,
        probe: ProbeSettings,
        left_out: int,
    ):
        self.left_out = left_out
        self.dataset, self.split, self.settings, self.probe = dataset, split, settings, probe
        self.features_ND, self.labels_N = features_ND, labels_N
        self.classes = np.unique(labels_N[split.learnt])
        # of photos of classes that are never trained on, nonsense, and never used
        self.index_N = np.searchsorted(self.classes, labels_N)

    def full_probes(self, folder: Path) -> Iterator[tuple[list[dict[str, Any]], list[_Tested]]]:
        """(rows, what was tested) of the linear and the MLP probe. The linear head is written into `folder`."""
        linear = train_linear_probe(
            self.features_ND,
            self.index_N,
            self.split.train,
            self.split.validation,
            inverse_regularizations_to_try(self.probe.inverse_regularizations),
            self.probe.standardise,
            self.probe.double,
        )
        linear.head.save(folder / f"linear_head_{self.split.name}.npz")
        logger.info(
            "%s %s: C = %.3g of %d has the best validation accuracy, %.4f",
            self.dataset, self.split.name, linear.head.inverse_regularization, len(linear.inverse_regularizations), linear.validation_accuracy.max(),
        )  # fmt: skip
        yield self._score(LINEAR, linear.head)
        if self.probe.mlp_epochs:
            learnt = self.split.learnt
            head = train_mlp_probe(self.features_ND[learnt], self.index_N[learnt], len(self.classes), self.probe)
            yield self._score(MLP, head)

    def few_shot_probes(self) -> tuple[list[dict[str, Any]], list[_Tested]]:
        """(rows, what was tested) of all numbers of shots; rows are means over the draws."""
        rows, tested = [], []
        for found in train_few_shot_probes(self.features_ND, self.index_N, self.split, self.probe):
            draws = [
                self._tested(FEW_SHOT, self.split.test, predicted_M, found.shots, self.probe.seed + number)
                for number, predicted_M in enumerate(found.predicted_SM)
            ]
            hits_SM = np.stack([draw.hits_M for draw in draws])
            value, limits = mean_over_draws(hits_SM, self._interval(hits_SM.mean(axis=0)))
            rows.append(self._row(FEW_SHOT, f"top1_{found.shots}_shot", value, limits, hits_SM.shape[1], 1))
            tested += draws
        return rows, tested

    def _score(self, probe: str, head: LinearHead | MlpHead) -> tuple[list[dict[str, Any]], list[_Tested]]:
        test, learnt = self.split.test, self.split.learnt
        on_test = self._tested(probe, test, head.predict(self.features_ND[test]))
        hits_M, count = on_test.hits_M, len(test)
        rows = [self._row(probe, "top1", float(hits_M.mean()), self._interval(hits_M), count, 1)]
        if len(self.classes) > BEST:
            among_M = among_best(head.scores(self.features_ND[test]), self.index_N[test], BEST)
            rows.append(self._row(probe, "top5", float(among_M.mean()), self._interval(among_M), count, BEST))
        present, target_M = np.unique(on_test.labels_M, return_inverse=True)
        samples, seed = self.settings.bootstrap_samples, self.settings.seed
        recall, limits = mean_per_class_recall(target_M, hits_M, len(present), samples, seed)
        rows.append(self._row(probe, "mean_per_class_recall", recall, limits, count, 1))
        fitted_M = self._tested(probe, learnt, head.predict(self.features_ND[learnt])).hits_M
        value = float(fitted_M.mean())
        rows.append(self._row(probe, "top1_on_training", value, self._interval(fitted_M), len(learnt), 1))
        return rows, [on_test]

    def _tested(
        self, probe: str, rows: np.ndarray, index_M: np.ndarray, shots: int | None = None, seed: int | None = None
    ) -> _Tested:
        return _Tested(probe, self.split.name, rows, self.labels_N[rows], self.classes[index_M], shots, seed)

    def _interval(self, hits_M: np.ndarray) -> tuple[float, float]:
        return mean_interval(hits_M, self.settings.bootstrap_samples, self.settings.seed)

    def _row(
        self, probe: str, metric: str, value: float, limits: tuple[float, float], n: int, guesses: int
    ) -> dict[str, Any]:
        chance = guesses / len(self.classes)
        return score_row(probe, self.dataset, self.split.name, metric, value, limits, n, chance, left_out=self.left_out)


def among_best(scores_MC: np.ndarray, target_M: np.ndarray, count: int) -> np.ndarray:
    """(M,) whether the target is among the `count` classes with the highest scores; ties go to the lower index."""
    of_target_M1 = np.take_along_axis(scores_MC, target_M[:, None], axis=1)
    before = np.arange(scores_MC.shape[1]) < target_M[:, None]
    return ((scores_MC > of_target_M1) | ((scores_MC == of_target_M1) & before)).sum(axis=1) < count


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
