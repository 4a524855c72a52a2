"""Which photos a probe is trained, tuned and tested on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import DatasetError
from clip_pipeline.settings import ProbeSettings
from clip_pipeline.sources.photos.splits import SPLIT_NAMES

logger = logging.getLogger(__name__)

MIN_PHOTOS = 4
"""Photos of each class that a split needs when it is divided: training, choosing C and testing take some."""


@dataclass(frozen=True)
class ProbeSplit:
    """Rows of the embeddings, each list sorted. name: of the split that is tested. A probe's C is chosen on
    `validation` after training on `train`; then it is trained on both."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def learnt(self) -> np.ndarray:
        """Train and validation together."""
        return np.sort(np.concatenate([self.train, self.validation]))


def probe_splits(
    dataset: str,
    labels_N: np.ndarray,
    splits_N: Sequence[str],
    class_names: Sequence[str],
    settings: ProbeSettings,
    left_out: LeftOut | None = None,
) -> list[ProbeSplit]:
    """The official splits where there is one for training, else each split divided at random, stratified by class.

    With a training split, every other one is tested, apart from a validation split beside a test: that one chooses the
    C. Without a validation split a share of the training photos does. Without a training split, splits that cannot be
    divided because a class has fewer than four photos are counted in `left_out`, and a warning where that is None.
    Raises DatasetError for training photos of a single class, and for a class that is tested and never trained on.
    """
    names = np.asarray([SPLIT_NAMES.get(name.lower(), name) for name in splits_N])
    rows = {name: np.flatnonzero(names == name) for name in sorted(set(names.tolist()))}
    if "train" not in rows or len(rows) == 1:
        lost = LeftOut()
        divided = _divided(labels_N, rows, class_names, settings, lost)
        lost.hand_on(left_out, f"the probes on {dataset}")
        return divided
    train = rows.pop("train")
    _check_several_classes(f"The training split of {dataset}", labels_N[train], class_names)
    validation = rows.pop("validation") if "validation" in rows and len(rows) > 1 else None
    if validation is None:
        generator = np.random.default_rng(settings.seed)
        validation, train = divide_by_class(train, labels_N, settings.validation_percent / 100, generator)
    splits = [ProbeSplit(name, train, validation, test) for name, test in rows.items()]
    for split in splits:
        _check_classes(dataset, split, labels_N, class_names)
    return splits


def _divided(
    labels_N: np.ndarray,
    rows: dict[str, np.ndarray],
    class_names: Sequence[str],
    settings: ProbeSettings,
    lost: LeftOut,
) -> list[ProbeSplit]:
    splits = []
    for name, of_split in rows.items():
        classes, counts = np.unique(labels_N[of_split], return_counts=True)
        if len(classes) < 2 or counts.min() < MIN_PHOTOS:
            lost.add(
                f"photos of the split {name}, which takes two classes of {MIN_PHOTOS} photos or more to be divided",
                len(of_split),
                f"{class_names[classes[counts.argmin()]]}, {counts.min()} photos",
            )
            continue
        generator = np.random.default_rng(settings.seed)
        test, rest = divide_by_class(of_split, labels_N, settings.test_percent / 100, generator)
        validation, train = divide_by_class(rest, labels_N, settings.validation_percent / 100, generator)
        splits.append(ProbeSplit(name, train, validation, test))
    return splits


def divide_by_class(
    rows: np.ndarray, labels_N: np.ndarray, share: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(share of each class, the rest), each sorted; at least one of each class on either side, the rest first."""
    first, second = [], []
    for label in np.unique(labels_N[rows]):
        of_class = generator.permutation(rows[labels_N[rows] == label])
        count = min(max(round(share * len(of_class)), 1), len(of_class) - 1)
        first.append(of_class[:count])
        second.append(of_class[count:])
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))


def _check_several_classes(what: str, labels_N: np.ndarray, class_names: Sequence[str]) -> None:
    classes = np.unique(labels_N)
    if len(classes) < 2:
        only = f" ({class_names[classes[0]]})" if len(classes) else ""
        raise DatasetError(
            f"{what} has photos of {len(classes)} class{only}. A probe tells classes apart: give two or more."
        )


def _check_classes(dataset: str, split: ProbeSplit, labels_N: np.ndarray, class_names: Sequence[str]) -> None:
    learnt, tested = set(labels_N[split.learnt].tolist()), set(labels_N[split.test].tolist())
    never = sorted(tested - learnt)
    if never:
        names = ", ".join(class_names[label] for label in never[:3]) + (" …" if len(never) > 3 else "")
        raise DatasetError(
            f"{dataset}: {len(never)} of {len(tested)} classes of the split {split.name} have no photo in the training split "
            f"({names}). Check that the download is whole, or leave these classes out of {split.name}."
        )
    if learnt - tested:
        logger.warning(
            "%s: %d of %d classes have no photo in the split %s, so they are trained on and not tested",
            dataset, len(learnt - tested), len(learnt), split.name,
        )  # fmt: skip
