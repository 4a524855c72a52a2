"""Which splits of a labelled dataset can be scored: those of at least two classes. Known before anything is embedded."""

from __future__ import annotations

from collections import defaultdict

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset, chosen_rows
from clip_pipeline.evaluation.zero_shot import one_class


def scored_splits(dataset: Dataset) -> Dataset:
    """The dataset without splits whose photos are all of one class, each with a warning; one of captions as it is.

    Raises DatasetError where no split has two classes.
    """
    if dataset.labels is None:
        return dataset
    classes: dict[str, set[int]] = defaultdict(set)
    for split, label in zip(dataset.splits, dataset.labels, strict=True):
        classes[split].add(label)
    single = {split: dataset.class_names[min(found)] for split, found in sorted(classes.items()) if len(found) < 2}
    if len(single) == len(classes):
        of_each = ", ".join(f'{split}: "{only}"' for split, only in single.items())
        raise DatasetError(
            f"{dataset.name} has photos of one class only in each of its splits ({of_each}). Zero-shot needs at least two classes to "
            "choose between: put photos of another class beside them."
        )
    lost = LeftOut()
    for split, only in single.items():
        lost.add(one_class(split, only), dataset.splits.count(split), dataset.ids[dataset.splits.index(split)])
    lost.say(dataset.name)
    return (
        chosen_rows(dataset, [row for row, split in enumerate(dataset.splits) if split not in single])
        if single
        else dataset
    )
