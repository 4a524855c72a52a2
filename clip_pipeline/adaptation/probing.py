"""The linear probe of a cell: logistic regression on the cached embeddings of a fraction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.adaptation.data import AdaptationData
from clip_pipeline.evaluation.probe import STRENGTHS, fit_logistic_regression


@dataclass(frozen=True)
class FittedProbe:
    """weights_CD, bias_C: of the logits of unit features. strength: the C that the validation photos chose."""

    weights_CD: np.ndarray
    bias_C: np.ndarray
    strength: float


def fit_probe(data: AdaptationData, rows: np.ndarray) -> FittedProbe:
    """Fits on the training photos `rows`; of strengths that are as good on the validation photos, the weakest."""
    classes, validation = len(data.about["classes"]), data.rows("validation")
    best: tuple[float, FittedProbe] | None = None
    for strength in STRENGTHS:
        weights_CD, bias_C = fit_logistic_regression(data.embeddings[rows], data.labels[rows], classes, strength)
        predicted = (data.embeddings[validation] @ weights_CD.T + bias_C).argmax(1)
        accuracy = float((predicted == data.labels[validation]).mean())
        if best is None or accuracy > best[0]:
            best = accuracy, FittedProbe(weights_CD, bias_C, strength)
    assert best is not None
    return best[1]
