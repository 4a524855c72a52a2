"""Opens a dataset by what a person writes: a name of the registry, NAME=PATH, or a path."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from clip_pipeline.errors import CaptionsError, DatasetError, PhotosError
from clip_pipeline.evaluation.datasets.arrays import open_cifar, open_digits, open_idx
from clip_pipeline.evaluation.datasets.captions import open_captions
from clip_pipeline.evaluation.datasets.checks import check_dataset
from clip_pipeline.evaluation.datasets.choice import Choice, near_entry, parse_choice, path_of
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.evaluation.datasets.entry import Entry, find_entry
from clip_pipeline.evaluation.datasets.files import open_files
from clip_pipeline.evaluation.datasets.folders import (
    open_class_folders,
    open_food101,
    open_tiny_imagenet,
    with_test_split,
)
from clip_pipeline.evaluation.datasets.imagenet import open_flat_imagenet
from clip_pipeline.evaluation.datasets.templates import own_templates
from clip_pipeline.sources.photos.formats.tar_paths import without_tar_ending

logger = logging.getLogger(__name__)

OF_ARRAYS_AND_LISTS = {
    "idx": open_idx,
    "cifar": open_cifar,
    "food101": open_food101,
    "tiny_imagenet": open_tiny_imagenet,
    "imagenet": open_flat_imagenet,
}
"""Reader -> what opens the form that a dataset is published in; None where the files are in another."""


def open_dataset(given: Path | str, name: str = "") -> Dataset:
    """The dataset that is meant. name: what scores call it; "" takes its own name or the folder's.

    given: a name (digits), NAME=PATH (cifar10=/data/cifar-10-batches-py), or the path of CLIP_benchmark's layout, of class
    folders, or of photos with captions, in a folder or tars. Photos are read one by one, when they are asked for. What is left out is
    a warning for each reason.

    Raises DatasetError when there is nothing at the path, no photo, neither labels nor captions, a single class, and for files
    that are not the dataset whose name they are given.
    """
    choice = Choice(name, "", str(given)) if isinstance(given, Path) else parse_choice(given)
    dataset = open_choice(replace(choice, name=name or choice.name))
    dataset.left_out.say(str(path_of(choice) or dataset.name))
    return dataset


def open_choice(choice: Choice) -> Dataset:
    """As `open_dataset`, without a word of what is left out."""
    path = path_of(choice)
    near = near_entry(choice.name)
    if path is not None and not choice.entry and near and choice.name != without_tar_ending(path.absolute().name):
        logger.warning(
            '"%s" is no name of the registry, though %s is: %s is read as files of your own', choice.name, near, path
        )
    try:
        if choice.entry:
            return open_entry(find_entry(choice.entry), path, choice.name)
        assert path is not None
        return open_files(path, choice.name)
    except (PhotosError, CaptionsError) as error:
        raise DatasetError(str(error)) from error


def open_entry(entry: Entry, path: Path | None, name: str = "") -> Dataset:
    """A dataset of the registry from its files, checked. path: None for one that needs none.

    Raises DatasetError for files that are not what the entry says.
    """
    if path is None:
        if entry.reader != "digits":
            raise DatasetError(
                f"{entry.title} exists within the pipeline only: set evaluation.datasets={entry.name}, or give the folder of its artifact."
            )
        opened, place = open_digits(entry), entry.title
    else:
        try:
            opened, place = _from_files(entry, path), str(path)
        except (PhotosError, CaptionsError) as error:
            raise DatasetError(f"{error} {entry.title} is read from: {entry.expects}.") from error
    opened = with_test_split(opened)
    part = check_dataset(entry, opened, place)
    if part:
        logger.warning("%s is a part of %s: %s. Its scores are not those of the whole.", place, entry.title, part)
    return replace(opened, name=name or entry.name, templates=own_templates(entry), part=part)


def _from_files(entry: Entry, path: Path) -> Dataset:
    if entry.task == "captions":
        return open_captions(entry, path)
    published = OF_ARRAYS_AND_LISTS[entry.reader](entry, path) if entry.reader in OF_ARRAYS_AND_LISTS else None
    return published or open_class_folders(entry, path)
