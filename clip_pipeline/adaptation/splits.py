"""Which photos of a labelled dataset are learnt from, which choose when to stop, and which are tested on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.adaptation.fractions import split_stratified
from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import Dataset
from clip_pipeline.training.randomness import generator_of

TRAIN_NAMES = ("train", "training")
VALIDATION_NAMES = ("val", "valid", "validation")
TEST_NAMES = ("test", "testing")
TEST_DRAW, VALIDATION_DRAW, TRAIN_CAP, TEST_CAP = range(4)
CAP_STREAM = 102


@dataclass(frozen=True)
class Parts:
    """Rows of the dataset, and the class of each photo as an index into class_names: the classes that are trained on."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    class_of: np.ndarray
    class_names: tuple[str, ...]
    class_numbers: tuple[int, ...]


@dataclass(frozen=True)
class Division:
    """How a dataset is divided. validation_percent: of the training photos, test_percent: of all, where the dataset has no such
    split. The photos a class are the most that are kept, drawn by the seed; 0 keeps all."""

    seed: int = 0
    validation_percent: float = 10.0
    test_percent: float = 30.0
    train_photos_per_class: int = 0
    test_photos_per_class: int = 0
    out_of_domain_photos_per_class: int = 0


def named_split(reference: str) -> tuple[str, str]:
    """`cars:test` → ("cars", "test"); without a split the second is empty. A colon inside a path is part of the path."""
    name, colon, split = reference.strip().rpartition(":")
    return (name, split) if colon and name and "/" not in split and "\\" not in split else (reference.strip(), "")


def choose_parts(dataset: Dataset, split: str, division: Division) -> Parts:
    """The parts of a dataset, or of one of its splits.

    Splits called train, val and test are used as they are; where there is no test (or a split was named), a stratified share
    is drawn by the seed, the same for every fraction and method. Raises DatasetError for photos without labels, one class, or
    a class that is tested but never trained on.
    """
    if dataset.labels is None:
        raise DatasetError(
            f"{dataset.name} has captions and no labels, so there are no classes to adapt to. Give a labelled one."
        )
    labels_N, splits_N = np.asarray(dataset.labels), np.array([one.lower() for one in dataset.splits])
    train, validation, test = _rows_of_parts(dataset, split, splits_N, labels_N, division)
    train = _capped(train, labels_N, division.train_photos_per_class, division.seed, TRAIN_CAP)
    test = _capped(test, labels_N, division.test_photos_per_class, division.seed, TEST_CAP)
    numbers = np.unique(labels_N[train])
    if len(numbers) < 2:
        raise DatasetError(
            f"{dataset.name} has {len(numbers)} class to train on. Adapting tells classes apart: give two or more."
        )
    for part, rows in (("test", test), ("validation", validation)):
        unknown = np.setdiff1d(labels_N[rows], numbers)
        if len(unknown):
            raise DatasetError(
                f"{dataset.name}: {len(unknown)} classes of the {part} photos have no photo to train on, the first is "
                f"{dataset.class_names[unknown[0]]!r}. Add photos of it to the training, or take it out of the {part}."
            )
    if not len(test) or not len(validation):
        raise DatasetError(
            f"{dataset.name} has {len(test)} photos to test on and {len(validation)} to validate with; both need some."
        )
    class_of = np.searchsorted(numbers, labels_N)
    names = tuple(dataset.class_names[number] for number in numbers)
    return Parts(train, validation, test, class_of, names, tuple(numbers.tolist()))


def _rows_of_parts(
    dataset: Dataset, split: str, splits_N: np.ndarray, labels_N: np.ndarray, division: Division
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if split:
        rows, validation, test = rows_of_split(dataset, split), *(np.zeros(0, np.int64),) * 2
    else:
        rows, validation, test = (
            np.flatnonzero(np.isin(splits_N, names)) for names in (TRAIN_NAMES, VALIDATION_NAMES, TEST_NAMES)
        )
        if not len(rows):
            rows, validation, test = np.arange(len(splits_N)), validation[:0], test[:0]
    if not len(test):  # a validation split alone is what such datasets are tested on
        test, validation = validation, test
    if not len(test):
        taken, left = split_stratified(labels_N[rows], division.test_percent / 100, division.seed, TEST_DRAW)
        test, rows = rows[taken], rows[left]
    if not len(validation):
        taken, left = split_stratified(
            labels_N[rows], division.validation_percent / 100, division.seed, VALIDATION_DRAW
        )
        validation, rows = rows[taken], rows[left]
    return rows, validation, test


def rows_of_split(dataset: Dataset, split: str) -> np.ndarray:
    """The rows of one split, or all of them for "". Raises DatasetError for a split that the dataset does not have."""
    rows = np.flatnonzero([not split or one == split for one in dataset.splits])
    if not len(rows):
        raise DatasetError(f'{dataset.name} has no split "{split}". It has: {", ".join(sorted(set(dataset.splits)))}.')
    return rows


def out_of_domain_rows(dataset: Dataset, split: str, division: Division) -> np.ndarray:
    """The photos of another dataset that zero-shot is scored on: its test split where it has one. Raises DatasetError."""
    if dataset.labels is None:
        raise DatasetError(f"{dataset.name} has captions and no labels, so nothing out of domain can be scored on it.")
    rows = rows_of_split(dataset, split)
    tests = np.array([row for row in rows if not split and dataset.splits[row].lower() in TEST_NAMES], np.int64)
    chosen, most = tests if len(tests) else rows, division.out_of_domain_photos_per_class
    return _capped(chosen, np.asarray(dataset.labels), most, division.seed, TEST_CAP)


def _capped(rows: np.ndarray, labels_N: np.ndarray, most: int, seed: int, purpose: int) -> np.ndarray:
    """At most so many rows of each class, drawn by the seed; 0 keeps all."""
    if not most:
        return rows
    kept = [
        generator_of(seed, CAP_STREAM, purpose, int(label)).permutation(rows[labels_N[rows] == label])[:most]
        for label in np.unique(labels_N[rows])
    ]
    return np.sort(np.concatenate(kept)) if kept else rows
