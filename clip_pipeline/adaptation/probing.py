"""The linear probe of a trial: logistic regression on the cached embeddings of a fraction."""

from __future__ import annotations

import numpy as np

from clip_pipeline.adaptation.data import AdaptationData
from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.evaluation.probes.linear import inverse_regularizations_to_try, train_linear_probe


def fit_probe(data: AdaptationData, rows: np.ndarray) -> LinearHead:
    """Fits on the training photos `rows` alone; the validation photos choose C, as they choose when others stop."""
    validation = data.rows("validation")
    return train_linear_probe(
        data.embeddings, data.labels, rows, validation, inverse_regularizations_to_try(), refit=False
    ).head
