"""Datasets that are arrays of pixels rather than files: MNIST's idx, CIFAR's batches, scikit-learn's digits.

Each image becomes a PNG when it is read, and no earlier.
"""

from __future__ import annotations

import functools
from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset, labelled_dataset
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.evaluation.datasets.names import class_names
from clip_pipeline.sources.photos.formats.cifar import has_cifar_batches
from clip_pipeline.sources.photos.formats.idx import idx_files
from clip_pipeline.sources.photos.formats.pixel_arrays import PixelBlock, PixelPhotos
from clip_pipeline.sources.photos.formats.pixel_arrays import open_cifar as open_cifar_photos
from clip_pipeline.sources.photos.formats.pixel_arrays import open_idx as open_idx_photos

DIGITS_TRAINING = 1347
"""Three quarters of scikit-learn's 1,797 digits, which have no official split."""


def _dataset(entry: Entry, photos: PixelPhotos) -> Dataset:
    labels = photos.metadata.labels or []
    names = tuple(class_names(entry).values())
    strange = next((label for label in labels if label is not None and not 0 <= label < len(names)), None)
    if strange is not None:
        raise DatasetError(
            f"{entry.title} has the classes 0 to {len(names) - 1}, and a label here is {strange}. Get the files again, or give "
            "them under the name that they belong to."
        )
    return labelled_dataset(entry.name, photos, names)


def open_idx(entry: Entry, path: Path) -> Dataset | None:
    """The dataset of idx files in a folder, None where there are none.

    Raises PhotosError for damaged files, and for images without labels or with another number of them.
    """
    return _dataset(entry, open_idx_photos(path)) if idx_files(path) else None


def open_cifar(entry: Entry, path: Path) -> Dataset | None:
    """The dataset of CIFAR's Python version, None where it is not there. Raises PhotosError for damaged files."""
    if not has_cifar_batches(path, entry.classes):
        return None
    return _dataset(entry, open_cifar_photos(path, entry.classes))


def open_digits(entry: Entry) -> Dataset:
    """scikit-learn's digits, which need no file."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = [int(label) for label in digits.target]
    pixels = (digits.images * (255 / 16)).round().astype("uint8")
    parts = (("train", slice(DIGITS_TRAINING)), ("test", slice(DIGITS_TRAINING, None)))
    blocks = [PixelBlock(split, labels[part], functools.partial(pixels.__getitem__, part)) for split, part in parts]
    return _dataset(entry, PixelPhotos(blocks))
