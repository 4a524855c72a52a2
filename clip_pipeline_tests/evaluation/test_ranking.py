from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.evaluation.ranking import best_class, rank_classes
from clip_pipeline_tests.evaluation.fakes import unit


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    return unit(rng.normal(size=(53, 8))), unit(rng.normal(size=(11, 8))), rng.integers(0, 11, 53)


def test_places_and_probabilities_are_those_of_a_whole_sorted_matrix(vectors):
    images, classes, target = vectors
    ranked = rank_classes(images, classes, target, 20.0)
    cosines = images @ classes.T
    order = np.argsort(-cosines, axis=1)
    assert ranked.rank_N.tolist() == [row.tolist().index(t) for row, t in zip(order, target, strict=True)]
    assert (ranked.best_NK == order[:, :5]).all()
    weights = np.exp(20 * cosines)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ranked.confidence_N, probabilities.max(axis=1), rtol=1e-4)  # cosines of six decimals
    np.testing.assert_allclose(ranked.target_probability_N, probabilities[np.arange(53), target], rtol=1e-4)


def test_the_size_of_the_blocks_changes_nothing(vectors):
    images, classes, target = vectors
    whole, best = rank_classes(images, classes, target, 20.0), best_class(images, classes)
    pieces = rank_classes(images, classes, target, 20.0, max_rows=7)
    for name in ("rank_N", "best_NK", "best_similarity_NK", "confidence_N", "target_probability_N"):
        assert (getattr(whole, name) == getattr(pieces, name)).all(), name
    assert (best_class(images, classes, max_rows=7) == best).all()
    assert (best == whole.best_NK[:, 0]).all()


def test_without_a_logit_scale_there_is_no_probability(vectors):
    assert np.isnan(rank_classes(*vectors).confidence_N).all()


def test_a_large_logit_scale_overflows_nothing(vectors):
    assert rank_classes(*vectors, 1e4).confidence_N.max() == pytest.approx(1)
