"""Fits along a path of values of C, against scikit-learn's LogisticRegression."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.evaluation.probes.logistic import LogisticProblem
from clip_pipeline.evaluation.probes.regularization_path import LogisticPath, fit_logistic_regression
from clip_pipeline_tests.evaluation.probes.fakes import clusters, cone
from clip_pipeline_tests.evaluation.probes.test_logistic import loss_by_hand


def objective(features: np.ndarray, labels: np.ndarray, head: LinearHead) -> float:
    """scikit-learn's, divided by C · N."""
    penalty = 0.5 * float((head.weights_CD**2).sum())
    penalty *= 2 if len(head.weights_CD) == 2 else 1  # w/2 and -w/2: the square of w is twice that of the two
    return loss_by_hand(features, labels, head) + penalty / (head.inverse_regularization * len(labels))


def their_fit(features: np.ndarray, labels: np.ndarray, inverse_regularization: float) -> LinearHead:
    model = LogisticRegression(C=inverse_regularization, tol=1e-12, solver="newton-cholesky").fit(
        features.astype(np.float64), labels
    )
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return LinearHead(weights, bias, inverse_regularization)


@pytest.mark.parametrize("inverse_regularization", [1e-4, 0.3, 1e3])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_optimum_is_that_of_scikit_learn(classes, inverse_regularization):
    features, labels = cone(classes, 40)
    ours = fit_logistic_regression(features, labels, classes, inverse_regularization, tolerance=1e-14, double=True)
    theirs = their_fit(features, labels, inverse_regularization)
    scale = np.abs(theirs.weights_CD).max()
    assert np.abs(ours.weights_CD - theirs.weights_CD).max() < 1e-4 * scale
    assert objective(features, labels, ours) <= objective(features, labels, theirs) * (1 + 1e-9)
    assert (ours.predict(features) == theirs.predict(features)).mean() > 0.98  # a photo may lie on the border


def test_fewer_photos_than_dimensions_have_the_same_optimum():
    features, labels = cone(3, 4, dimensions=64)
    ours = fit_logistic_regression(features, labels, 3, 10.0, tolerance=1e-14, double=True)
    theirs = their_fit(features, labels, 10.0)
    assert np.abs(ours.weights_CD - theirs.weights_CD).max() < 1e-4 * np.abs(theirs.weights_CD).max()


def test_every_fit_of_a_path_in_float32_is_as_low_as_scikit_learns_of_that_c():
    features, labels = cone(5, 60)
    path = LogisticPath(LogisticProblem(features, labels, 5))
    for inverse_regularization in np.geomspace(1e-6, 1e6, 25):
        ours, theirs = (
            path.fit(float(inverse_regularization)),
            their_fit(features, labels, float(inverse_regularization)),
        )
        assert objective(features, labels, ours) <= objective(features, labels, theirs) * (1 + 5e-5)


@pytest.mark.slow
def test_a_path_costs_few_products_and_falls_in_no_other_place_than_a_fit_of_its_own():
    features, labels = cone(5, 60)
    path = LogisticPath(LogisticProblem(features, labels, 5, double=True), 1e-10)
    inverse_regularizations = np.geomspace(1e-6, 1e6, 96)
    heads = [path.fit(float(inverse_regularization)) for inverse_regularization in inverse_regularizations]
    for row in (20, 50, 80):
        alone = fit_logistic_regression(features, labels, 5, float(inverse_regularizations[row]), 1e-12, double=True)
        assert np.abs(alone.weights_CD - heads[row].weights_CD).max() < 1e-3 * np.abs(alone.weights_CD).max()
    rough = LogisticPath(LogisticProblem(features, labels, 5))
    for inverse_regularization in inverse_regularizations:
        rough.fit(float(inverse_regularization))
    assert rough.products < 5 * len(inverse_regularizations)


def test_values_of_c_may_come_in_any_order():
    features, labels = cone(3, 40)
    path = LogisticPath(LogisticProblem(features, labels, 3, double=True), 1e-12)
    found = {
        inverse_regularization: path.fit(inverse_regularization)
        for inverse_regularization in (1e3, 1e-2, 10.0, 1e5, 0.1)
    }
    for inverse_regularization, head in found.items():
        alone = fit_logistic_regression(features, labels, 3, inverse_regularization, 1e-12, double=True)
        assert np.abs(alone.weights_CD - head.weights_CD).max() < 1e-3 * np.abs(alone.weights_CD).max()


def test_separable_photos_end_too():
    features, labels = clusters(4, 20, 0.01)
    head = fit_logistic_regression(features, labels, 4, 1e6)
    assert (head.predict(features) == labels).all()
    assert np.isfinite(head.weights_CD).all()


def test_the_same_data_give_the_same_bytes():
    features, labels = cone(5, 60)
    one, two = (fit_logistic_regression(features, labels, 5, 10.0) for _ in range(2))
    assert one.weights_CD.tobytes() == two.weights_CD.tobytes()


def test_on_real_vectors_every_prediction_is_that_of_scikit_learn(shared_data):
    """ViT-B/32's vectors of photos, told apart by the being that the caption names."""
    folder = shared_data("clip_embeddings/flickr8k_vitb32_1000")
    vectors = np.load(folder / "clip_embeddings.npy").astype(np.float32)
    captions = json.loads((folder / "captions_5k.json").read_text())[: len(vectors)]
    named = np.array([[word in caption.lower().split() for word in ("dog", "girl", "man")] for caption in captions])
    chosen = named.sum(axis=1) == 1
    vectors, labels = vectors[chosen], named[chosen].argmax(axis=1)
    train = np.arange(len(labels)) % 3 > 0
    for inverse_regularization in (0.316, 10.0):
        ours = fit_logistic_regression(vectors[train], labels[train], 3, inverse_regularization)
        theirs = LogisticRegression(C=inverse_regularization, tol=1e-10, max_iter=10_000).fit(
            vectors[train].astype(float), labels[train]
        )
        assert np.abs(ours.weights_CD - theirs.coef_).max() < 0.01 * np.abs(theirs.coef_).max()
        assert (ours.predict(vectors[~train]) == theirs.predict(vectors[~train])).mean() > 0.99
        assert (ours.predict(vectors[~train]) == labels[~train]).mean() > 0.75
