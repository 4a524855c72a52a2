"""Reads pairs of one split: images by several threads into one array, and another pair where an image cannot be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.errors import PhotosError, TrainingError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.training.data.augmentation import DrawnAugmentation, resize_box
from clip_pipeline.training.data.batches import CaptionTable
from clip_pipeline.training.data.decoded_images import ImageSource
from clip_pipeline.training.data.undecodable_images import BadPhoto, UndecodableImages

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES_A_TASK = 16
WHOLE = slice(None)


@dataclass(frozen=True)
class Batch:
    """images: (B, H, W, 3) uint8. captions: rows of the caption table, (B,)."""

    images: NDArray[np.uint8]
    captions: NDArray[np.int64]


class PairReader:
    """Reads pairs of one split with a number of threads. shape: (height, width) of the images it gives, in pixels."""

    def __init__(
        self,
        source: ImageSource,
        table: CaptionTable,
        shape: tuple[int, int],
        split: str = "train",
        workers: int = 1,
        undecodable_images: UndecodableImages | None = None,
        pinned: bool = False,
    ):
        self.source, self.table, self.shape, self.split = source, table, shape, split
        self.undecodable_images, self.pinned = undecodable_images, pinned
        self._pool = ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="images")
        self._free: list[NDArray[np.uint8]] = []

    def start(
        self,
        photos: NDArray[np.int64],
        captions: NDArray[np.int64],
        share: slice = WHOLE,
        augmentation: DrawnAugmentation | None = None,
        step: int = 0,
    ) -> PendingBatch:
        """Begins to read the share of a whole batch; `finish` gives it. augmentation: of the whole batch."""
        places = range(len(photos))[share]
        images = self._room(len(places))
        tasks: list[Future[list[tuple[int, str]]]] = []
        for start in range(0, len(places), IMAGES_A_TASK):
            part = places[start : start + IMAGES_A_TASK]
            tasks.append(self._pool.submit(self._read, part, photos, images[start : start + len(part)], augmentation))
        return PendingBatch(photos, captions, places, augmentation, step, images, tasks)

    def finish(self, pending: PendingBatch) -> Batch:
        """The batch, once it is whole. Images that cannot be decoded are replaced as `undecodable_images` says, and noted there.

        Raises PhotosError for one where there is no such record, TrainingError when too many are bad.
        """
        bad = [place for task in pending.tasks for place in task.result()]
        captions = pending.captions[pending.places.start : pending.places.stop]
        if bad:
            captions = captions.copy()
            replacements = _Replacements(self, pending)
            noted = []
            for place, reason in bad:
                if self.undecodable_images is None:
                    raise PhotosError(reason)
                row, caption = replacements.find(place)
                captions[place - pending.places.start] = caption
                ids = self.source.photo_ids
                noted.append(BadPhoto(self.split, pending.step, ids[pending.photos[place]], reason, ids[row]))
            assert self.undecodable_images is not None
            self.undecodable_images.add(noted)
        return Batch(pending.images, captions)

    def read(self, photos: NDArray[np.int64], captions: NDArray[np.int64]) -> Batch:
        """Those pairs, without augmentation."""
        return self.finish(self.start(photos, captions))

    def give_back(self, images: NDArray[np.uint8]) -> None:
        """The memory of a batch that nobody looks at any more, to be filled again."""
        self._free.append(images)

    def submit(self, task, *arguments) -> None:
        """Has one of the threads do something else."""
        self._pool.submit(task, *arguments)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._free.clear()

    def _room(self, count: int) -> NDArray[np.uint8]:
        for number, images in enumerate(self._free):
            if len(images) == count:
                return self._free.pop(number)
        shape = (count, *self.shape, 3)
        if self.pinned:
            import torch

            return torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()
        return np.empty(shape, np.uint8)

    def _read(
        self,
        places: range,
        photos: NDArray[np.int64],
        images: NDArray[np.uint8],
        augmentation: DrawnAugmentation | None,
    ) -> list[tuple[int, str]]:
        """Fills `images` with those of `places`; returns the places that cannot be decoded, and why."""
        bad = []
        stored = np.empty((*self.source.shape, 3), np.uint8)
        for image, place in zip(images, places, strict=True):
            try:
                self.read_one(int(photos[place]), place, image, augmentation, stored)
            except PhotosError as error:
                bad.append((place, str(error)))
        return bad

    def read_one(
        self,
        row: int,
        place: int,
        image: NDArray[np.uint8],
        augmentation: DrawnAugmentation | None,
        stored: NDArray[np.uint8],
    ) -> None:
        """Fills `image`, (H, W, 3), with a photo, varied as the `place`-th of the batch. stored: room for one as stored."""
        if augmentation is None and self.source.shape == self.shape:
            self.source.read_into(row, image)
            return
        self.source.read_into(row, stored)
        if augmentation is not None:
            augmentation.apply(place, stored, image)
        else:
            height, width = self.source.shape
            resize_box(stored, np.array([0.0, 0.0, width, height]), image)


@dataclass(frozen=True)
class PendingBatch:
    """A batch that threads are filling. photos, captions: of the whole batch, of which this process reads `places`."""

    photos: NDArray[np.int64]
    captions: NDArray[np.int64]
    places: range
    augmentation: DrawnAugmentation | None
    step: int
    images: NDArray[np.uint8]
    tasks: list[Future[list[tuple[int, str]]]] = field(default_factory=list)


class _Replacements:
    """Finds pairs for the places of a batch whose photos cannot be decoded."""

    def __init__(self, reader: PairReader, pending: PendingBatch):
        self.reader, self.pending = reader, pending
        self.taken = set(pending.photos.tolist())
        self.texts = set(reader.table.text_ids[pending.captions].tolist())
        self.processes = len(pending.photos) // len(pending.places)
        self.rank = pending.places.start // len(pending.places)

    def find(self, place: int) -> tuple[int, int]:
        """(photo row, caption row) for the place, the image filled. See `undecodable_images.BAD_PHOTOS_FILE` for the rule."""
        reader, pending = self.reader, self.pending
        stored = np.empty((*reader.source.shape, 3), np.uint8)
        image = pending.images[place - pending.places.start]
        for row, caption in self._candidates(int(pending.photos[place])):
            try:
                reader.read_one(row, place, image, pending.augmentation, stored)
            except PhotosError:
                continue
            self.taken.add(row)
            self.texts.add(int(reader.table.text_ids[caption]))
            return row, caption
        raise TrainingError(
            f"Photo {reader.source.photo_ids[pending.photos[place]]} cannot be decoded, and no other has a caption that is "
            "not in the batch yet. Make or download the shards again."
        )

    def _candidates(self, bad_row: int) -> Iterator[tuple[int, int]]:
        first, text_ids = self.reader.table.first, self.reader.table.text_ids
        count = len(self.reader.table)
        for further in range(1, count):
            row = (bad_row + further) % count
            if row in self.taken or row % self.processes != self.rank:
                continue
            for caption in range(first[row], first[row + 1]):
                if int(text_ids[caption]) not in self.texts:
                    yield row, caption
                    break
