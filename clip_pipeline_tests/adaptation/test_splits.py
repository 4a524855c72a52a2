"""Which photos are trained on and tested on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clip_pipeline.adaptation.options import division_of
from clip_pipeline.adaptation.splits import Division, choose_parts, named_split, out_of_domain_rows
from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import Dataset
from clip_pipeline.settings import AdaptationSettings

DIVISION = Division(validation_percent=10, test_percent=30)


def dataset(splits: dict[str, list[int]], classes: int = 4, **others) -> Dataset:
    """splits: name → photos of each class."""
    labels = [label for counts in splits.values() for label, count in enumerate(counts) for _ in range(count)]
    names = [name for name, counts in splits.items() for _ in range(sum(counts))]
    ids = [f"{i}" for i in range(len(labels))]
    return Dataset("cars", ids, names, lambda row: b"", labels, tuple("abcd"[:classes]), **others)


def counts(opened: Dataset, rows: np.ndarray) -> list[int]:
    return np.bincount(np.asarray(opened.labels)[rows], minlength=len(opened.class_names)).tolist()


@pytest.mark.parametrize(
    ("given", "name", "split"),
    [("cars", "cars", ""), ("cars:test", "cars", "test"), ("a/b:c/d", "a/b:c/d", ""), ("C:\\x\\y", "C:\\x\\y", "")],
)
def test_a_split_stands_after_a_colon(given, name, split):
    assert named_split(given) == (name, split)


def test_splits_with_their_usual_names_are_used_as_they_are():
    opened = dataset({"train": [5] * 4, "val": [2] * 4, "test": [3] * 4})
    parts = choose_parts(opened, "", DIVISION)
    assert [counts(opened, rows) for rows in (parts.train, parts.validation, parts.test)] == [[5] * 4, [2] * 4, [3] * 4]


def test_a_validation_split_alone_is_tested_on():
    opened = dataset({"train": [20] * 4, "val": [3] * 4})
    parts = choose_parts(opened, "", DIVISION)
    assert [counts(opened, rows) for rows in (parts.train, parts.validation, parts.test)] == [
        [18] * 4,
        [2] * 4,
        [3] * 4,
    ]


@pytest.mark.parametrize("split", ["", "seen"])
def test_without_a_test_split_every_class_is_divided(split):
    opened = dataset({"seen": [20] * 4} if not split else {"seen": [20] * 4, "unseen": [5] * 4})
    parts = choose_parts(opened, split, DIVISION)
    assert [counts(opened, rows) for rows in (parts.train, parts.validation, parts.test)] == [
        [13] * 4,
        [1] * 4,
        [6] * 4,
    ]
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert len(set(everything.tolist())) == len(everything) == 80


def test_the_test_photos_do_not_move_with_the_seed_of_a_trial_but_with_that_of_the_study():
    opened = dataset({"seen": [20] * 4})

    def tested(**settings) -> list[int]:
        division = division_of(AdaptationSettings(validation_percent=10, test_percent=30, **settings))
        return choose_parts(opened, "", division).test.tolist()

    assert tested(seed=0, seeds=3) != tested(seed=1, seeds=3)
    assert tested(seeds=1) == tested(seeds=3)


def test_limits_are_a_class_each():
    opened = dataset({"train": [20, 3, 20, 20], "val": [2] * 4, "test": [9] * 4})
    parts = choose_parts(opened, "", replace(DIVISION, train_photos_per_class=5, test_photos_per_class=2))
    assert counts(opened, parts.train) == [5, 3, 5, 5] and counts(opened, parts.test) == [2] * 4


def test_only_the_classes_that_are_trained_on_are_told_apart():
    opened = dataset({"train": [5, 0, 5, 0], "val": [1, 0, 1, 0], "test": [2, 0, 2, 0]})
    parts = choose_parts(opened, "", DIVISION)
    assert parts.class_names == ("a", "c")
    assert set(parts.class_of[parts.test]) == {0, 1}


def test_bad_input_is_named():
    with pytest.raises(DatasetError, match="1 classes of the test photos have no photo to train on, the first is 'b'"):
        choose_parts(dataset({"train": [5, 0, 5, 5], "val": [1, 0, 1, 1], "test": [2] * 4}), "", DIVISION)
    with pytest.raises(DatasetError, match="has 1 class to train on"):
        choose_parts(dataset({"train": [5], "test": [2]}, classes=1), "", DIVISION)
    with pytest.raises(DatasetError, match='no split "tset". It has: test, train'):
        choose_parts(dataset({"train": [5] * 4, "test": [2] * 4}), "tset", DIVISION)
    captioned = Dataset("talk", ["0"], ["test"], lambda row: b"", captions=[["a car"]])
    with pytest.raises(DatasetError, match="captions and no labels"):
        choose_parts(captioned, "", DIVISION)
    with pytest.raises(DatasetError, match="captions and no labels"):
        out_of_domain_rows(captioned, "", DIVISION)


def test_out_of_domain_photos_are_the_test_split_where_there_is_one():
    opened = dataset({"train": [5] * 4, "test": [4] * 4})
    assert counts(opened, out_of_domain_rows(opened, "", DIVISION)) == [4] * 4
    assert (
        counts(opened, out_of_domain_rows(opened, "train", replace(DIVISION, out_of_domain_photos_per_class=3)))
        == [3] * 4
    )
