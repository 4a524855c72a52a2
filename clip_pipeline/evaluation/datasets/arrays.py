"""Datasets that are arrays of pixels rather than files: MNIST's idx, CIFAR's batches, scikit-learn's digits.

Each photo becomes a PNG when it is read, and no earlier.
"""

from __future__ import annotations

import functools
import io
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.evaluation.datasets.names import class_names
from clip_pipeline.sources.photos.cifar import has_cifar_batches, read_cifar
from clip_pipeline.sources.photos.idx import idx_shape, read_idx

if TYPE_CHECKING:
    import numpy as np

IDX_STEMS = {"train": "train", "test": "t10k"}
IDX_PLACES = ("", "raw", "MNIST/raw", "FashionMNIST/raw")
"""The folder itself, and where torchvision puts the files below its own."""

DIGITS_TRAINING = 1347
"""Three quarters of scikit-learn's 1,797 digits, which have no official split."""


def png_bytes(pixels: np.ndarray) -> bytes:
    """A PNG file of (height, width) grey or (height, width, 3) colours, uint8."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class _Pixels:
    """Photos of several arrays, one after the other. blocks: (how many photos, what gives their array)."""

    def __init__(self, blocks: Sequence[tuple[int, Callable[[], np.ndarray]]], as_image: Callable):
        self._ends = list(accumulate(count for count, _ in blocks))
        self._arrays = [functools.cache(array) for _, array in blocks]  # opened with the first photo of it
        self._as_image = as_image

    def __call__(self, row: int) -> bytes:
        block = bisect_right(self._ends, row)
        start = self._ends[block - 1] if block else 0
        return png_bytes(self._as_image(self._arrays[block]()[row - start]))


def _dataset(entry: Entry, splits: list[str], labels: list[int], read: Callable[[int], bytes]) -> Dataset:
    places = {split: splits.index(split) for split in dict.fromkeys(splits)}
    ids = [f"{split}/{row - places[split]:05d}" for row, split in enumerate(splits)]
    names = tuple(class_names(entry).values())
    strange = next((label for label in labels if not 0 <= label < len(names)), None)
    if strange is not None:
        raise DatasetError(
            f"{entry.title} has the classes 0 to {len(names) - 1}, and a label here is {strange}. Get the files again, or give "
            "them under the name that they belong to."
        )
    return Dataset(entry.name, ids, splits, read, labels, names)


def open_idx(entry: Entry, path: Path) -> Dataset | None:
    """The dataset of idx files in a folder, None where there are none.

    Raises DatasetError for images without labels, and for another number of them; PhotosError for damaged files.
    """
    files = idx_files(path)
    if not files:
        return None
    blocks, splits, labels = [], [], []
    for split, (images, told) in files.items():
        shape, found = idx_shape(images), [int(label) for label in read_idx(told)]
        if len(shape) != 3:
            raise DatasetError(f"{images} has the shape {shape}, expected (photos, height, width). Get it again.")
        if shape[0] != len(found):
            raise DatasetError(
                f"{images.name} has {shape[0]:,} images and {told.name} {len(found):,} labels, so they cannot be joined. Get "
                "both again from one place."
            )
        blocks.append((shape[0], functools.partial(read_idx, images)))
        splits += [split] * len(found)
        labels += found
    return _dataset(entry, splits, labels, _Pixels(blocks, lambda image: image))


def idx_files(path: Path) -> dict[str, tuple[Path, Path]]:
    """(images, labels) by split, in the order of `open_idx`; empty where there are none. Raises DatasetError for one alone."""
    for place in IDX_PLACES:
        found = {}
        for split, stem in IDX_STEMS.items():
            images, labels = (_first_file(path / place, stem, kind) for kind in ("images-idx3", "labels-idx1"))
            if images and labels:
                found[split] = (images, labels)
            elif images or labels:
                there, missing = (images, "labels-idx1") if images else (labels, "images-idx3")
                raise DatasetError(f"{there} has no {stem}-{missing}-ubyte beside it. Put both into one folder.")
        if found:
            return found
    return {}


def _first_file(folder: Path, stem: str, kind: str) -> Path | None:
    names = [f"{stem}-{one}-ubyte{ending}" for one in (kind, kind.replace("-idx", ".idx")) for ending in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def open_cifar(entry: Entry, path: Path) -> Dataset | None:
    """The dataset of CIFAR's Python version, None where it is not there. Raises PhotosError for damaged files."""
    if not has_cifar_batches(path, entry.classes):
        return None
    batches = read_cifar(path, entry.classes)
    splits = [batch.split for batch in batches for _ in batch.labels]
    labels = [label for batch in batches for label in batch.labels]
    blocks = [(len(batch.labels), batch.pixels) for batch in batches]
    return _dataset(entry, splits, labels, _Pixels(blocks, _cifar_image))


def _cifar_image(row: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(row.reshape(3, 32, 32).transpose(1, 2, 0))


def open_digits(entry: Entry) -> Dataset:
    """scikit-learn's digits, which need no file."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = [int(label) for label in digits.target]
    splits = ["train" if row < DIGITS_TRAINING else "test" for row in range(len(labels))]
    pixels = (digits.images * (255 / 16)).round().astype("uint8")
    return _dataset(entry, splits, labels, _Pixels([(len(labels), lambda: pixels)], lambda image: image))
