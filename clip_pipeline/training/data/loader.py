"""Batches of images and captions, got ready by threads while the model computes.

The order is that of `Batches`, the augmentation that of `draw_augmentation`: both pure functions of (seed, step), so neither the
number of threads nor where a run was killed matters, and nothing of the loader is saved. Reading, decoding and scaling leave
the interpreter's lock alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.training.data.augmentation import NO_AUGMENTATION, Augmentation
from clip_pipeline.training.data.batches import Batches
from clip_pipeline.training.data.captions import drop_tokens, further_captions
from clip_pipeline.training.data.mixup import draw_mixup_weight
from clip_pipeline.training.data.pair_reader import WHOLE, PairReader, PendingBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class TrainingBatch:
    """A share of B pairs of a training's batch. images: (B, H, W, 3) uint8. captions: rows of the caption table, (B, K).

    tokens: (B, K, L) of those captions; shown: what the text encoder sees of them, where tokens are left out. mixup_weight:
    the share of its own that each image keeps when it is mixed with the next.
    """

    images: NDArray[np.uint8]
    captions: NDArray[np.int64]
    tokens: NDArray[np.int32]
    shown: NDArray[np.int32]
    mixup_weight: float


class Loader:
    """The batches of a training, step after step, a few of them ahead. Use as a context manager: it ends the threads.

    steps: of the whole training. share: the rows of each batch that are this process's. captions_per_photo: K. kept_ids: tokens
    that are never left out, the padding first. space_id: of a space where tokens are bytes, which are left out by words.
    """

    def __init__(
        self,
        reader: PairReader,
        batches: Batches,
        steps: int,
        share: slice = WHOLE,
        augmentation: Augmentation = NO_AUGMENTATION,
        captions_per_photo: int = 1,
        kept_ids: tuple[int, ...] = (0,),
        space_id: int | None = None,
    ):
        self.reader, self.batches, self.steps, self.share = reader, batches, steps, share
        self.augmentation, self.captions_per_photo, self.kept_ids = augmentation, captions_per_photo, kept_ids
        self.space_id = space_id
        self._ahead: deque[PendingBatch] = deque()
        self._given: TrainingBatch | None = None

    def batch(self, step: int) -> TrainingBatch:
        """This process's share of a step's batch. Its images are written over once the next one is asked for."""
        if self._given is not None:
            self.reader.give_back(self._given.images)
            self._given = None
        if not self._ahead or self._ahead[0].step != step:
            self._forget()
        last = min(step + BATCHES_AHEAD, self.steps - 1)
        for further in range(step + len(self._ahead), max(last, step) + 1):
            self._ahead.append(self._start(further))
        pending = self._ahead.popleft()
        batch = self.reader.finish(pending)
        captions = pending.captions.copy()
        captions[self.share] = batch.captions
        rows = further_captions(self.reader.table, captions, self.captions_per_photo)[self.share]
        tokens, seed, size = self.reader.table.tokens[rows], self.batches.seed, self.batches.batch_size
        dropout = self.augmentation.token_dropout
        shown = drop_tokens(tokens, seed, step, dropout, self.kept_ids, size, self.share, self.space_id)
        mixup_weight = draw_mixup_weight(seed, step, self.augmentation.mixup_alpha)
        self._given = TrainingBatch(batch.images, rows, tokens, shown, mixup_weight)
        return self._given

    def longest_captions(self, count: int) -> NDArray[np.int32]:
        """(count, K, L) tokens of the longest captions, those that take the most memory."""
        tokens = self.reader.table.tokens
        longest = (tokens != tokens[:, -1:]).sum(1).argsort()[-count:]  # a row that is not full ends in padding
        return tokens[np.repeat(longest[:, None], self.captions_per_photo, axis=1)]

    def _start(self, step: int) -> PendingBatch:
        epoch, place = divmod(step, self.batches.steps_per_epoch)
        if place == self.batches.steps_per_epoch // 2:  # so that no step waits for the plan of its epoch
            self.reader.submit(self.batches.pairs, (epoch + 1) * self.batches.steps_per_epoch)
        photos, captions = self.batches.pairs(step)
        drawn = self.augmentation.draw_images(self.batches.seed, step, len(photos))
        return self.reader.start(photos, captions, self.share, drawn, step)

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
