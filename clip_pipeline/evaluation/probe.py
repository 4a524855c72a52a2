"""Linear probe: logistic regression on frozen embeddings, its strength chosen on a validation split."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import IMAGES
from clip_pipeline.embedding.files import aligned_rows, read_embeddings
from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.intervals import mean_interval
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.scores import score_row, write_scores
from clip_pipeline.evaluation.zero_shot import LabelTruth
from clip_pipeline.settings import EvaluationSettings

logger = logging.getLogger(__name__)

STRENGTHS = tuple(10.0**exponent for exponent in range(-1, 4))
"""Inverse regularisation strengths C that are tried; openai/CLIP's probe tries 96 values between 1e-6 and 1e6."""

LBFGS_STEPS = 100
TEST_SHARE, VALIDATION_SHARE = 0.5, 0.2
FEWEST_PHOTOS = 4
"""Photos that each class needs: training, choosing the strength and testing take some."""

PREDICTIONS = pa.schema([("split", pa.string()), ("id", pa.string()), ("label", pa.int32()), ("predicted", pa.int32())])


@dataclass(frozen=True)
class ProbeResult:
    """test_rows: (M,) indices of the embeddings that were tested. predicted: (M,) class indices. strength: the C chosen."""

    test_rows: np.ndarray
    predicted: np.ndarray
    strength: float


def linear_probe(embeddings_ND: np.ndarray, labels_N: np.ndarray, seed: int) -> ProbeResult:
    """Trains on a stratified half of the labelled photos and predicts the other half.

    embeddings_ND: (N, D), unit length. labels_N: (N,) integers. C is chosen on a fifth of the training half, then the
    probe is trained on the whole half. Raises DatasetError when there are fewer than two classes, or when a class has
    fewer than four photos: train, validation and test need one each.
    """
    labels_N = np.asarray(labels_N)
    classes, counts = np.unique(labels_N, return_counts=True)
    if len(classes) < 2:
        raise DatasetError(f"A probe tells classes apart, and the photos have {len(classes)} class. Give two or more.")
    if counts.min() < FEWEST_PHOTOS:
        raise DatasetError(
            f"Class {classes[counts.argmin()]} has {counts.min()} photos, a probe needs four: for training, choosing C and testing."
        )
    index_N = np.searchsorted(classes, labels_N)
    generator = np.random.default_rng(seed)
    test, rest = _split_stratified(np.arange(len(index_N)), index_N, TEST_SHARE, generator)
    validation, train = _split_stratified(rest, index_N, VALIDATION_SHARE, generator)
    accuracy = {
        strength: float(
            (_fit_and_predict(embeddings_ND, index_N, train, validation, strength) == index_N[validation]).mean()
        )
        for strength in STRENGTHS
    }
    best = max(STRENGTHS, key=lambda strength: (accuracy[strength], -strength))
    predicted = _fit_and_predict(embeddings_ND, index_N, rest, test, best)
    return ProbeResult(test, classes[predicted], best)


def _split_stratified(
    rows: np.ndarray, labels_N: np.ndarray, share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(share of each class, the rest), each sorted; at least one of each class on either side."""
    first, second = [], []
    for label in np.unique(labels_N[rows]):
        of_class = generator.permutation(rows[labels_N[rows] == label])
        count = min(max(round(share * len(of_class)), 1), len(of_class) - 1)
        first.append(of_class[:count])
        second.append(of_class[count:])
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))


def _fit_and_predict(
    embeddings_ND: np.ndarray, labels_N: np.ndarray, train: np.ndarray, test: np.ndarray, strength: float
) -> np.ndarray:
    weights_CD, bias_C = fit_logistic_regression(embeddings_ND[train], labels_N[train], labels_N.max() + 1, strength)
    return (embeddings_ND[test] @ weights_CD.T + bias_C).argmax(axis=1)


def fit_logistic_regression(
    features_ND: np.ndarray, labels_N: np.ndarray, classes: int, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """(weights (C, D), bias (C,)) that minimise strength · Σ cross-entropy + ½‖weights‖², by L-BFGS in float64.

    The objective is scikit-learn's LogisticRegression(C=strength); the bias is not regularised.
    """
    import torch

    features = torch.as_tensor(np.asarray(features_ND, dtype=np.float64))
    labels = torch.as_tensor(np.asarray(labels_N, dtype=np.int64))
    weights = torch.zeros(classes, features.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weights, bias],
        max_iter=LBFGS_STEPS,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def objective() -> torch.Tensor:
        # Divided by N · strength, which moves no minimum and keeps the gradient tolerance meaningful for any of them.
        loss = torch.nn.functional.cross_entropy(features @ weights.T + bias, labels)
        return loss + weights.square().sum() / (2 * strength * len(labels))

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        value = objective()
        value.backward()
        return value

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are small: on a busy machine two threads took twenty times as long as one
    try:
        optimizer.step(step)
    finally:
        torch.set_num_threads(threads)
    return weights.detach().numpy(), bias.detach().numpy()


def probe_scores(
    images_folder: Path,
    truth: LabelTruth,
    settings: EvaluationSettings,
    folder: Path,
    scored: Scored | None = None,
) -> list[dict[str, Any]]:
    """Scores a probe on every split of a labelled dataset; writes the score files and predictions.parquet.

    The probe is trained on one half of the split's photos and scored on the other. Splits in which some class has
    fewer than four photos are left out.
    """
    image_keys, stored_ND = read_embeddings(images_folder, IMAGES)
    ids = image_keys["id"].to_pylist()
    order = aligned_rows(f"{truth.dataset}: labels of the photos", ids, truth.ids)
    labels_N, splits_N = np.asarray(truth.labels)[order], np.asarray(truth.splits)[order]
    if settings.shuffle_labels:
        labels_N = np.random.default_rng(settings.seed).permutation(labels_N)
    rows, predictions = [], []
    for split in sorted(set(splits_N.tolist())):
        chosen = np.flatnonzero(splits_N == split)
        classes, counts = np.unique(labels_N[chosen], return_counts=True)
        if len(classes) < 2 or counts.min() < FEWEST_PHOTOS:
            logger.warning("No probe on %s %s: a class has too few photos", truth.dataset, split)
            continue
        result = linear_probe(np.asarray(stored_ND[chosen], np.float64), labels_N[chosen], settings.seed)
        true_M = labels_N[chosen][result.test_rows]
        hit_M = result.predicted == true_M
        limits = mean_interval(hit_M, settings.bootstrap_samples, settings.seed)
        chance = 1 / len(classes)
        rows.append(score_row("linear_probe", truth.dataset, split, "top1", hit_M.mean(), limits, len(hit_M), chance))
        predictions += [
            {"split": split, "id": ids[chosen[row]], "label": int(label), "predicted": int(guess)}
            for row, label, guess in zip(result.test_rows, true_M, result.predicted, strict=True)
        ]
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(predictions, PREDICTIONS), folder / "predictions.parquet", compression="zstd")
    return write_scores(rows, folder, scored or Scored(), settings)
