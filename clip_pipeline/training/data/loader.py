"""Batches of pictures and captions, got ready by threads while the model computes.

The order is that of `Batches`, the variation that of `draw_variation`: both pure functions of (seed, step), so neither the
number of threads nor where a run was killed matters, and nothing of the loader is saved. Reading, decoding and scaling leave
the interpreter's lock alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.errors import PhotosError, TrainingError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.training.data.augmentation import Variation, draw_variation, resize_square
from clip_pipeline.training.data.batches import Batches, CaptionTable
from clip_pipeline.training.data.captions import further_captions
from clip_pipeline.training.data.decoded_images import PictureSource
from clip_pipeline.training.data.undecodable_images import BadPhoto, BadPhotos

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clip_pipeline.settings.model import TrainingSettings

BATCHES_AHEAD = 2
PICTURES_A_TASK = 16
WHOLE = slice(None)


@dataclass(frozen=True)
class Batch:
    """pictures: (B, S, S, 3) uint8. captions: rows of the caption table, (B,), or (B, K) of a training's batch."""

    pictures: NDArray[np.uint8]
    captions: NDArray[np.int64]


class PairReader:
    """Reads pairs of one split with a number of threads. size: side of the pictures it gives, in pixels."""

    def __init__(
        self,
        source: PictureSource,
        table: CaptionTable,
        size: int,
        split: str = "train",
        workers: int = 1,
        bad_photos: BadPhotos | None = None,
        pinned: bool = False,
    ):
        self.source, self.table, self.size, self.split = source, table, size, split
        self.bad_photos, self.pinned = bad_photos, pinned
        self._pool = ThreadPoolExecutor(workers or usable_cores(), thread_name_prefix="pictures")
        self._free: list[NDArray[np.uint8]] = []

    def start(
        self,
        photos: NDArray[np.int64],
        captions: NDArray[np.int64],
        share: slice = WHOLE,
        variation: Variation | None = None,
        step: int = 0,
    ) -> PendingBatch:
        """Begins to read the share of a whole batch; `finish` gives it. variation: of the whole batch."""
        places = range(len(photos))[share]
        pictures = self._room(len(places))
        tasks: list[Future[list[tuple[int, str]]]] = []
        for start in range(0, len(places), PICTURES_A_TASK):
            part = places[start : start + PICTURES_A_TASK]
            tasks.append(self._pool.submit(self._read, part, photos, pictures[start : start + len(part)], variation))
        return PendingBatch(photos, captions, places, variation, step, pictures, tasks)

    def finish(self, pending: PendingBatch) -> Batch:
        """The batch, once it is whole. Pictures that cannot be decoded are replaced as `bad_photos` says, and noted there.

        Raises PhotosError for one where there is no such record, TrainingError when too many are bad.
        """
        bad = [place for task in pending.tasks for place in task.result()]
        captions = pending.captions[pending.places.start : pending.places.stop]
        if bad:
            captions = captions.copy()
            replacements = _Replacements(self, pending)
            noted = []
            for place, reason in bad:
                if self.bad_photos is None:
                    raise PhotosError(reason)
                row, caption = replacements.find(place)
                captions[place - pending.places.start] = caption
                ids = self.source.photo_ids
                noted.append(BadPhoto(self.split, pending.step, ids[pending.photos[place]], reason, ids[row]))
            assert self.bad_photos is not None
            self.bad_photos.add(noted)
        return Batch(pending.pictures, captions)

    def read(self, photos: NDArray[np.int64], captions: NDArray[np.int64]) -> Batch:
        """Those pairs, without variation."""
        return self.finish(self.start(photos, captions))

    def give_back(self, pictures: NDArray[np.uint8]) -> None:
        """The memory of a batch that nobody looks at any more, to be filled again."""
        self._free.append(pictures)

    def submit(self, task, *arguments) -> None:
        """Has one of the threads do something else."""
        self._pool.submit(task, *arguments)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._free.clear()

    def _room(self, count: int) -> NDArray[np.uint8]:
        for number, pictures in enumerate(self._free):
            if len(pictures) == count:
                return self._free.pop(number)
        shape = (count, self.size, self.size, 3)
        if self.pinned:
            import torch

            return torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()
        return np.empty(shape, np.uint8)

    def _read(
        self, places: range, photos: NDArray[np.int64], pictures: NDArray[np.uint8], variation: Variation | None
    ) -> list[tuple[int, str]]:
        """Fills `pictures` with those of `places`; returns the places that cannot be decoded, and why."""
        bad = []
        stored = np.empty((self.source.side, self.source.side, 3), np.uint8)
        for picture, place in zip(pictures, places, strict=True):
            try:
                self.read_one(int(photos[place]), place, picture, variation, stored)
            except PhotosError as error:
                bad.append((place, str(error)))
        return bad

    def read_one(
        self, row: int, place: int, picture: NDArray[np.uint8], variation: Variation | None, stored: NDArray[np.uint8]
    ) -> None:
        """Fills `picture`, (S, S, 3), with a photo, varied as the `place`-th of the batch. stored: room for one as stored."""
        if variation is None and self.source.side == self.size:
            self.source.read_into(row, picture)
            return
        self.source.read_into(row, stored)
        if variation is not None:
            variation.apply(place, stored, picture)
        else:
            resize_square(stored, np.array([0.0, 0.0, self.source.side, self.source.side]), picture)


@dataclass(frozen=True)
class PendingBatch:
    """A batch that threads are filling. photos, captions: of the whole batch, of which this process reads `places`."""

    photos: NDArray[np.int64]
    captions: NDArray[np.int64]
    places: range
    variation: Variation | None
    step: int
    pictures: NDArray[np.uint8]
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
        """(photo row, caption row) for the place, the picture filled. See `bad_photos.BAD_PHOTOS_FILE` for the rule."""
        reader, pending = self.reader, self.pending
        stored = np.empty((reader.source.side, reader.source.side, 3), np.uint8)
        picture = pending.pictures[place - pending.places.start]
        for row, caption in self._candidates(int(pending.photos[place])):
            try:
                reader.read_one(row, place, picture, pending.variation, stored)
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


class Loader:
    """The batches of a training, step after step, a few of them ahead. Use as a context manager: it ends the threads."""

    def __init__(
        self, reader: PairReader, batches: Batches, settings: TrainingSettings, share: slice, total_steps: int
    ):
        self.reader, self.batches, self.settings, self.share = reader, batches, settings, share
        self.total_steps = total_steps
        self._ahead: deque[PendingBatch] = deque()
        self._given: Batch | None = None

    def batch(self, step: int) -> Batch:
        """This process's share of a step's batch. Its pictures are written over once the next one is asked for."""
        if self._given is not None:
            self.reader.give_back(self._given.pictures)
            self._given = None
        if not self._ahead or self._ahead[0].step != step:
            self._forget()
        last = min(step + BATCHES_AHEAD, self.total_steps - 1)
        for further in range(step + len(self._ahead), max(last, step) + 1):
            self._ahead.append(self._start(further))
        pending = self._ahead.popleft()
        batch = self.reader.finish(pending)
        captions = pending.captions.copy()
        captions[self.share] = batch.captions
        rows = further_captions(self.reader.table, captions, self.settings.captions_per_photo)
        self._given = Batch(batch.pictures, rows[self.share])
        return self._given

    def _start(self, step: int) -> PendingBatch:
        epoch, place = divmod(step, self.batches.steps_per_epoch)
        if place == self.batches.steps_per_epoch // 2:  # so that no step waits for the plan of its epoch
            self.reader.submit(self.batches.pairs, (epoch + 1) * self.batches.steps_per_epoch)
        photos, captions = self.batches.pairs(step)
        return self.reader.start(photos, captions, self.share, draw_variation(self.settings, step), step)

    def _forget(self) -> None:
        for pending in self._ahead:
            for task in pending.tasks:
                task.cancel()
        self._ahead.clear()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._forget()
        self.reader.close()
