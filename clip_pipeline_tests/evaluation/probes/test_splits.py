"""Which photos are trained on and which are tested."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.probes.splits import divide_by_class, probe_splits
from clip_pipeline.settings import ProbeSettings

SETTINGS, NAMES = ProbeSettings(), [f"class {number}" for number in range(5)]


def labelled(**counts: int) -> tuple[np.ndarray, list[str]]:
    """(labels, splits): so many photos of each of four classes."""
    labels = np.concatenate([np.repeat(np.arange(4), count) for count in counts.values()])
    return labels, [name for name, count in counts.items() for _ in range(4 * count)]


def test_official_splits_are_used_and_c_is_chosen_on_a_share_of_the_training_photos():
    labels, splits = labelled(train=10, test=5)
    (split,) = probe_splits("pets", labels, splits, NAMES, SETTINGS)
    assert (split.name, split.test.tolist()) == ("test", list(range(40, 60)))
    assert split.learnt.tolist() == list(range(40))
    assert np.bincount(labels[split.validation]).tolist() == [2] * 4


def test_an_official_validation_split_chooses_c_beside_a_test_split_and_is_the_test_without_one():
    labels, splits = labelled(training=10, val=3, test=5)
    (split,) = probe_splits("pets", labels, splits, NAMES, SETTINGS)
    assert split.validation.tolist() == list(range(40, 52)) and split.test.tolist() == list(range(52, 72))
    labels, splits = labelled(train=10, val=3)
    (split,) = probe_splits("pets", labels, splits, NAMES, SETTINGS)
    assert split.name == "validation" and split.test.tolist() == list(range(40, 52))


def test_without_a_training_split_each_split_is_halved_by_class():
    labels, splits = labelled(test=10, unseen=6)
    test, unseen = probe_splits("world", labels, splits, NAMES, SETTINGS)
    assert (test.name, unseen.name) == ("test", "unseen")
    assert np.bincount(labels[test.test]).tolist() == [5] * 4
    assert np.bincount(labels[unseen.test]).tolist() == [3] * 4
    for split in (test, unseen):
        assert not set(split.test) & set(split.learnt)
    assert set(test.learnt) | set(test.test) == set(range(40))


def test_a_split_that_cannot_be_halved_is_left_out_with_a_sentence(caplog):
    labels, splits = labelled(test=3)
    with caplog.at_level(logging.WARNING):
        assert probe_splits("pets", labels, splits, NAMES, SETTINGS) == []
    assert 'Left out of the probes on pets: 12 of "photos of the split test' in caplog.text
    assert 'such as "class 0, 3 photos"' in caplog.text
    lost = LeftOut()
    caplog.clear()
    probe_splits("pets", labels, splits, NAMES, SETTINGS, lost)
    assert lost.total() == 12 and "Left out" not in caplog.text, "whoever counts says it"


def test_one_class_in_training_is_told():
    labels, splits = np.array([1, 1, 1, 0, 1]), ["train"] * 3 + ["test"] * 2
    with pytest.raises(DatasetError, match=r"training split of pets has photos of 1 class \(class 1\)"):
        probe_splits("pets", labels, splits, NAMES, SETTINGS)


def test_a_class_that_is_tested_and_never_trained_on_is_told():
    labels, splits = labelled(train=10, test=5)
    labels = np.append(labels, [4])
    with pytest.raises(DatasetError, match=r"1 of 5 classes of the split test have no photo in .* \(class 4\)"):
        probe_splits("pets", labels, [*splits, "test"], NAMES, SETTINGS)


def test_a_class_that_is_trained_on_and_never_tested_is_said(caplog):
    labels, splits = labelled(train=10, test=5)
    labels = np.append(labels, [4] * 5)
    with caplog.at_level(logging.WARNING):
        probe_splits("pets", labels, [*splits, *["train"] * 5], NAMES, SETTINGS)
    assert "1 of 5 classes have no photo in the split test" in caplog.text


def test_a_class_of_one_photo_is_not_divided():
    first, rest = divide_by_class(np.arange(5), np.array([0, 0, 0, 0, 1]), 0.5, np.random.default_rng(0))
    assert len(first) == 2 and 4 in rest


def test_the_seed_decides():
    labels, splits = labelled(test=10)
    one, same, other = (probe_splits("a", labels, splits, NAMES, ProbeSettings(seed=seed))[0] for seed in (0, 0, 1))
    assert (one.test == same.test).all() and (one.test != other.test).any()
