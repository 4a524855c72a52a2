"""Datasets that are published as arrays of pixels with labels: MNIST's idx files, CIFAR's batches."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.class_names import find_names_file, read_class_names
from clip_pipeline.sources.photos.formats.cifar import cifar_files, read_cifar
from clip_pipeline.sources.photos.formats.idx import idx_files, idx_shape, read_idx
from clip_pipeline.sources.photos.photos import Metadata, StoredPhotos

if TYPE_CHECKING:
    import numpy as np


class PixelBlock(NamedTuple):
    """Photos of one array. images(): (photos, ...) uint8, called with the first photo of it that is read."""

    split: str
    labels: list[int]
    images: Callable[[], np.ndarray]


class PixelPhotos(StoredPhotos):
    """Photos of several arrays, one after the other, named SPLIT/NUMBER, with their labels and splits.

    as_image: what makes (H, W) or (H, W, 3) of a row of them. files: where they are from. place: the folder or file whose classnames.txt names the labels.
    """

    def __init__(
        self,
        blocks: Sequence[PixelBlock],
        files: Sequence[Path] = (),
        as_image: Callable[[np.ndarray], np.ndarray] = lambda image: image,
        place: Path | None = None,
    ):
        labels = [label for block in blocks for label in block.labels]
        splits = [block.split for block in blocks for _ in block.labels]
        first = {split: splits.index(split) for split in dict.fromkeys(splits)}
        self.names = [f"{split}/{row - first[split]:05d}" for row, split in enumerate(splits)]
        file = find_names_file(place) if place and labels else None
        names = read_class_names(place, labels) if place and file else None
        self._metadata = Metadata(labels, names, splits=splits, names_from=str(file or ""))
        self._files = files
        self._ends = list(accumulate(len(block.labels) for block in blocks))
        self._arrays = [functools.cache(block.images) for block in blocks]
        self._as_image = as_image

    def files(self) -> Sequence[Path]:
        """See `StoredPhotos`."""
        return self._files

    @property
    def metadata(self) -> Metadata:
        """See `Photos`."""
        return self._metadata

    def read(self, row: int) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8."""
        block = bisect_right(self._ends, row)
        start = self._ends[block - 1] if block else 0
        return self._as_image(self._arrays[block]()[row - start])


def open_idx(path: Path) -> PixelPhotos:
    """The images of idx files in a folder (`idx_files`).

    Raises PhotosError for damaged files, and for another number of labels than of images.
    """
    blocks, files = [], []
    for split, (images, labels) in idx_files(path).items():
        shape, found = idx_shape(images), [int(label) for label in read_idx(labels)]
        if len(shape) != 3:
            raise PhotosError(f"{images} has the shape {shape}, expected (photos, height, width). Get it again.")
        if shape[0] != len(found):
            raise PhotosError(
                f"{images.name} has {shape[0]:,} images and {labels.name} {len(found):,} labels, so they cannot be joined. Get "
                "both again from one place."
            )
        blocks.append(PixelBlock(split, found, partial(read_idx, images)))
        files += [images, labels]
    return PixelPhotos(blocks, files, place=path)


def open_cifar(path: Path, classes: int) -> PixelPhotos:
    """The images of CIFAR's Python version. classes: 10 or 100. Raises PhotosError for damaged files."""
    batches = read_cifar(path, classes)
    return PixelPhotos(
        [PixelBlock(one.split, one.labels, one.pixels) for one in batches],
        cifar_files(path, classes),
        _cifar_image,
        path,
    )


def _cifar_image(row: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(row.reshape(3, 32, 32).transpose(1, 2, 0))
