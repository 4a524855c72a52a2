"""The linear probe."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.probe import fit_logistic_regression, linear_probe


def clusters(classes: int, photos: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(classes, 16))
    labels = np.repeat(np.arange(classes), photos)
    return centres[labels] + noise * generator.normal(size=(len(labels), 16)), labels


def test_the_gradient_vanishes_where_the_fit_ends():
    features, labels = clusters(3, 30, 2.0)
    strength = 0.5
    weights, bias = fit_logistic_regression(features, labels, 3, strength)
    scores = features @ weights.T + bias
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    residual = probabilities - np.eye(3)[labels]
    assert np.abs(strength * residual.T @ features + weights).max() < 1e-4
    assert np.abs(residual.sum(axis=0)).max() < 1e-4


def test_separable_classes_are_told_apart_perfectly_on_photos_that_were_not_trained_on():
    features, labels = clusters(4, 20, 0.05)
    result = linear_probe(features, labels, seed=0)
    assert (result.predicted == labels[result.test_rows]).all()
    assert len(result.test_rows) == len(labels) // 2


def test_shuffled_labels_give_chance():
    features, labels = clusters(4, 200, 0.05)
    shuffled = np.random.default_rng(1).permutation(labels)
    result = linear_probe(features, shuffled, seed=0)
    assert abs((result.predicted == shuffled[result.test_rows]).mean() - 0.25) < 0.08


def test_labels_need_not_start_at_zero():
    features, labels = clusters(3, 20, 0.05)
    result = linear_probe(features, labels * 10 + 7, seed=0)
    assert set(result.predicted) == {7, 17, 27}


@pytest.mark.parametrize(
    ("labels", "message"), [([3] * 8, "have 1 class"), ([0] * 6 + [1] * 2, "Class 1 has 2 photos")]
)
def test_too_few_classes_or_photos_are_a_sentence(labels, message):
    with pytest.raises(DatasetError, match=message):
        linear_probe(np.ones((8, 4)), np.array(labels), seed=0)
