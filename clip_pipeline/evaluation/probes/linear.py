"""The linear probe: logistic regression on frozen embeddings, its regularization chosen on validation photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.probes.head import LinearHead, check_features
from clip_pipeline.evaluation.probes.logistic import LogisticProblem
from clip_pipeline.evaluation.probes.regularization_path import TOLERANCE, LogisticPath, one_thread

MIN_INVERSE_REGULARIZATION, MAX_INVERSE_REGULARIZATION = 1e-6, 1e6
"""The ends of the values of C that are tried, those of Radford et al. 2021 (appendix A.3)."""


@dataclass(frozen=True)
class LinearProbe:
    """head: trained on train and validation with the chosen C. inverse_regularizations: all that were tried, rising.
    validation_accuracy: of the heads trained on `train` alone, one a C."""

    head: LinearHead
    inverse_regularizations: np.ndarray
    validation_accuracy: np.ndarray


def inverse_regularizations_to_try(count: int = 96) -> np.ndarray:
    """`count` values from 1e-6 to 1e6 at equal ratios, rising; 96 are those of openai/CLIP."""
    return np.geomspace(MIN_INVERSE_REGULARIZATION, MAX_INVERSE_REGULARIZATION, count)


def train_linear_probe(
    features_ND: np.ndarray,
    labels_N: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    inverse_regularizations: np.ndarray,
    standardise: bool = False,
    double: bool = False,
    refit: bool = True,
    tolerance: float = TOLERANCE,
) -> LinearProbe:
    """Chooses C on the validation rows and trains on both. labels_N: 0 … C - 1, each of which occurs in the two together.

    inverse_regularizations: values of C to try, rising. standardise: every dimension is scaled to a spread of 1 first. double: products are of
    float64 instead of float32. refit: without, the head is the one that was
    trained on `train` alone. tolerance: of `LogisticPath`.
    Of values of C with the same accuracy the smallest is taken. Raises DatasetError for a single class, ShapeError for
    embeddings that are not finite.
    """
    learnt = np.sort(np.concatenate([train, validation]))
    classes = _class_count(labels_N[learnt])
    check_features(features_ND)
    scale_D = _spread(features_ND[learnt]) if standardise else np.ones(features_ND.shape[1], np.float32)
    accuracies: list[float] = []
    with one_thread():
        problem = LogisticProblem(features_ND[train] / scale_D, labels_N[train], classes, double)
        path = LogisticPath(problem, tolerance)
        tested_MD = features_ND[validation] / scale_D
        for inverse_regularization in inverse_regularizations:
            candidate = path.fit(float(inverse_regularization))
            accuracy = float((_fast_predict(candidate, tested_MD) == labels_N[validation]).mean())
            if not accuracies or accuracy > max(accuracies):
                head = candidate
            accuracies.append(accuracy)
        if refit:
            whole = LogisticProblem(features_ND[learnt] / scale_D, labels_N[learnt], classes, double)
            head = LogisticPath(whole, tolerance).fit(head.inverse_regularization, whole.coefficients(head))
    scaled = LinearHead(head.weights_CD / scale_D, head.bias_C, head.inverse_regularization)
    return LinearProbe(scaled, inverse_regularizations, np.asarray(accuracies))


def _class_count(labels_N: np.ndarray) -> int:
    present = np.unique(labels_N)
    if len(present) < 2:
        raise DatasetError(
            f"A probe tells classes apart, and the photos have {len(present)} class. Give photos of two or more."
        )
    if not np.array_equal(present, np.arange(len(present))):
        raise DatasetError(
            f"Labels run from {present[0]} to {present[-1]} and {len(present)} of them occur in the training photos. A "
            "probe needs photos of every class: number the classes that are there from 0."
        )
    return len(present)


def _spread(features_ND: np.ndarray) -> np.ndarray:
    """(D,) standard deviations, 1 where a dimension does not vary."""
    spread_D = features_ND.std(axis=0, dtype=np.float64).astype(np.float32)
    return np.where(spread_D > 0, spread_D, np.float32(1))


def _fast_predict(head: LinearHead, features_ND: np.ndarray) -> np.ndarray:
    """In float32 and with one thread, which is enough to choose by."""
    import torch

    weights = torch.from_numpy(head.weights_CD).float()
    logits = weights @ torch.from_numpy(np.ascontiguousarray(features_ND, np.float32)).T
    return (logits + torch.from_numpy(head.bias_C).float()[:, None]).argmax(dim=0).numpy()
