"""The linear probe with its choice of C."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.probes.linear import inverse_regularizations_to_try, train_linear_probe
from clip_pipeline_tests.evaluation.probes.fakes import clusters, cone

FEW_SHOT_COUNT = inverse_regularizations_to_try(25)


def divided(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(train, validation, test) rows: of six, three, one and two."""
    rows = np.arange(count)
    return rows[rows % 6 < 3], rows[rows % 6 == 3], rows[rows % 6 > 3]


def test_the_values_of_c_are_those_of_openai():
    assert np.allclose(inverse_regularizations_to_try(96), np.logspace(-6, 6, 96))


def test_c_and_accuracy_are_those_of_a_sweep_with_scikit_learn():
    features, labels = cone(4, 90, noise=2.0)
    train, validation, test = divided(len(labels))
    probe = train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT)
    accuracies = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for inverse_regularization in inverse_regularizations_to_try(25):
            model = LogisticRegression(C=inverse_regularization, tol=1e-12, solver="newton-cholesky")
            accuracies.append(
                model.fit(features[train].astype(float), labels[train]).score(features[validation], labels[validation])
            )
        learnt = np.concatenate([train, validation])
        final = LogisticRegression(C=probe.head.inverse_regularization, tol=1e-12, solver="newton-cholesky")
        final.fit(features[learnt].astype(float), labels[learnt])
    assert np.abs(probe.validation_accuracy - accuracies).max() <= 1 / len(validation)
    assert (
        probe.head.inverse_regularization
        == inverse_regularizations_to_try(25)[int(np.argmax(probe.validation_accuracy))]
    )
    assert (probe.head.predict(features[test]) == final.predict(features[test])).mean() > 0.98
    assert 0.5 < (probe.head.predict(features[test]) == labels[test]).mean() < 1


def test_separable_classes_are_told_apart_perfectly_on_photos_that_were_not_trained_on():
    features, labels = clusters(4, 24, 0.05)
    train, validation, test = divided(len(labels))
    probe = train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT)
    assert (probe.head.predict(features[test]) == labels[test]).all()


def test_shuffled_labels_give_chance():
    features, labels = clusters(4, 300, 0.05)
    labels = np.random.default_rng(1).permutation(labels)
    train, validation, test = divided(len(labels))
    probe = train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT)
    assert abs((probe.head.predict(features[test]) == labels[test]).mean() - 0.25) < 0.08


def test_standardised_dimensions_are_folded_into_the_head():
    """The same probe as on vectors that were scaled before, applied to the vectors as they are."""
    features, labels = cone(4, 60)
    train, validation, test = divided(len(labels))
    learnt = np.sort(np.concatenate([train, validation]))
    scaled = (features / features[learnt].std(axis=0, dtype=np.float64)).astype(np.float32)
    one = train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT, standardise=True)
    two = train_linear_probe(scaled, labels, train, validation, FEW_SHOT_COUNT)
    plain = train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT)
    assert one.head.inverse_regularization == two.head.inverse_regularization != plain.head.inverse_regularization
    assert (one.head.predict(features[test]) == two.head.predict(scaled[test])).mean() > 0.98


def test_float64_gives_the_same_choice():
    features, labels = cone(4, 60)
    train, validation, _ = divided(len(labels))
    double = train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT, double=True)
    assert (
        double.head.inverse_regularization
        == train_linear_probe(features, labels, train, validation, FEW_SHOT_COUNT).head.inverse_regularization
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0] * 8, "the photos have 1 class"), ([0, 2] * 4, "Labels run from 0 to 2 and 2 of them occur")],
)
def test_labels_that_are_no_classes_are_a_sentence(labels, message):
    with pytest.raises(DatasetError, match=message):
        train_linear_probe(np.ones((8, 4)), np.array(labels), np.arange(6), np.arange(6, 8), FEW_SHOT_COUNT)
