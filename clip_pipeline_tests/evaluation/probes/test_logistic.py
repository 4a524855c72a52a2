"""The loss and its derivatives, against finite differences and against a computation by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.evaluation.probes.logistic import LogisticProblem
from clip_pipeline_tests.evaluation.probes.fakes import clusters, cone


def loss_by_hand(features: np.ndarray, labels: np.ndarray, head: LinearHead) -> float:
    scores = features.astype(np.float64) @ head.weights_CD.T + head.bias_C
    top = scores.max(axis=1, keepdims=True)
    logs = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return float((logs - scores[np.arange(len(labels)), labels]).mean())


@pytest.mark.parametrize(("photos", "dimensions"), [(30, 16), (4, 40)], ids=["more photos", "more dimensions"])
def test_the_loss_in_principal_components_is_that_of_the_vectors_as_they_were_given(photos, dimensions):
    features, labels = clusters(3, photos, 1.0, dimensions=dimensions)
    problem = LogisticProblem(features + 5, labels, 3, double=True)
    coefficients = torch.from_numpy(np.random.default_rng(0).normal(size=problem.shape))
    loss, _, _ = problem.loss(problem.logits(coefficients))
    assert loss == pytest.approx(loss_by_hand(features + 5, labels, problem.head(coefficients, 1.0)), rel=1e-12)
    assert problem.shape[1] - 1 == min(len(labels), dimensions)


def test_a_head_goes_into_coefficients_and_back():
    features, labels = cone(3, 30)
    problem = LogisticProblem(features, labels, 3, double=True)
    coefficients = torch.from_numpy(np.random.default_rng(0).normal(size=problem.shape))
    assert torch.allclose(problem.coefficients(problem.head(coefficients, 1.0)), coefficients, atol=1e-10)


def test_the_slope_is_the_derivative_of_the_loss():
    features, labels = clusters(3, 20, 1.0, dimensions=4)
    problem = LogisticProblem(features, labels, 3, double=True)
    coefficients = torch.from_numpy(np.random.default_rng(0).normal(size=problem.shape))
    _, probabilities, missing = problem.loss(problem.logits(coefficients))
    curvature = problem.curvature(probabilities)
    gradient = problem.gradient(probabilities, missing)
    for row in range(3):
        for column in range(5):
            nudge = torch.zeros(problem.shape, dtype=torch.float64)
            nudge[row, column] = 1e-4
            up, middle, down = (problem.loss(problem.logits(coefficients + sign * nudge))[0] for sign in (1, 0, -1))
            assert float(gradient[row, column]) == pytest.approx((up - down) / 2e-4, abs=1e-7)
            assert float(curvature[row, column]) == pytest.approx((up - 2 * middle + down) / 1e-8, abs=1e-6)


def test_photos_classified_with_near_certainty_keep_their_digits_in_float32():
    """Of p = 1 - 1e-9 float32 keeps nothing; the loss must still be 1e-9 and the gradient likewise."""
    features = np.array([[10.0], [-10.0]] * 4, np.float32)
    labels = np.array([0, 1] * 4)
    single, double = (LogisticProblem(features, labels, 2, double) for double in (False, True))
    for problem in (single, double):
        problem.parts = problem.parts.abs() * torch.tensor([[1.0], [-1.0]] * 4, dtype=problem.type)
    coefficients = torch.tensor([[1.04, 0.0], [-1.04, 0.0]], dtype=torch.float64)
    results = []
    for problem in (single, double):
        loss, probabilities, missing = problem.loss(problem.logits(coefficients))
        results.append((loss, float(problem.gradient(probabilities, missing)[0, 0])))
    assert results[1][0] == pytest.approx(np.log1p(np.exp(-20.8)), rel=1e-9)
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_embeddings_that_are_not_finite_are_told_with_their_row():
    features, labels = clusters(3, 10, 1.0)
    features[7, 2] = np.nan
    with pytest.raises(ShapeError, match="1 of 30 embeddings hold numbers that are not finite, the first is row 7"):
        LogisticProblem(features, labels, 3)
