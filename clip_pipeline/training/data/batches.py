"""Which pairs a step trains on: a pure function of (seed, step).

So a killed run resumes with the very batch that came next, and nothing about the loader needs saving.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from clip_pipeline.errors import TrainingError
from clip_pipeline.training.randomness import ORDER, SHUFFLED_CAPTIONS, VALIDATION, generator_of


@dataclass(frozen=True)
class CaptionTable:
    """The captions of N photos. Photo i has the rows `first[i]:first[i + 1]` of `text_ids` and `tokens`.

    first: (N + 1,) int64. text_ids: (C,) int64, equal for captions that read the same. tokens: (C, L) int32 token ids.
    """

    first: np.ndarray
    text_ids: np.ndarray
    tokens: np.ndarray

    def __len__(self) -> int:
        return len(self.first) - 1


def shuffled_captions(table: CaptionTable, seed: int) -> CaptionTable:
    """The control: every photo has the captions of another, so there is nothing to learn but chance."""
    order = generator_of(seed, SHUFFLED_CAPTIONS).permutation(len(table))
    rows = [np.arange(table.first[photo], table.first[photo + 1]) for photo in order]
    first = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    all_rows = np.concatenate(rows)
    return CaptionTable(first, table.text_ids[all_rows], table.tokens[all_rows])


class Batches:
    """The batches of a training: `pairs(step)` gives (photo rows, caption rows), both (batch,) int64."""

    def __init__(self, table: CaptionTable, batch_size: int, seed: int, repeat_captions: str = "never"):
        self.table, self.batch_size, self.seed, self.repeat_captions = table, batch_size, seed, repeat_captions
        self.steps_per_epoch = len(table) // batch_size
        self._epoch_plan = lru_cache(maxsize=2)(self._plan_epoch)

    def pairs(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Photos and captions of one step; see `plan_epoch`."""
        epoch, place = divmod(step, self.steps_per_epoch)
        photos, captions = self._epoch_plan(epoch)
        rows = slice(place * self.batch_size, (place + 1) * self.batch_size)
        return photos[rows], captions[rows]

    def _plan_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        generator = generator_of(self.seed, ORDER, epoch)
        return plan_epoch(self.table, self.batch_size, self.steps_per_epoch, generator, self.repeat_captions)


def plan_epoch(
    table: CaptionTable, batch_size: int, batches: int, generator: np.random.Generator, repeat_captions: str = "never"
) -> tuple[np.ndarray, np.ndarray]:
    """A random order of the photos with one random caption each, (batches × batch_size,) photo and caption rows.

    A text stands only once in a batch: two images of the same caption would each count as the other's wrong answer. A
    photo whose captions are all taken waits for the next batch. Where an epoch's last photos all share their captions,
    `never` takes photos a second time in their place, `unavoidable` lets texts repeat there; `free` does not look at texts.
    Raises TrainingError when there are too few different captions for a batch.
    """
    order = generator.permutation(len(table))
    if repeat_captions == "free":
        drawn = (generator.random(len(table)) * np.diff(table.first)).astype(np.int64)
        order = order[: batches * batch_size]
        return order, table.first[order] + drawn[order]
    from clip_pipeline.training.data.batch_plan_kernel import plan_batches

    draws = generator.random(len(table))
    texts = int(table.text_ids.max()) + 1 if len(table.text_ids) else 0
    text_seen, photo_seen = np.full(texts, -1), np.full(len(table), -1)
    photos, captions = (np.empty(batches * batch_size, dtype=np.int64) for _ in range(2))
    found = plan_batches(
        order,
        table.first,
        table.text_ids,
        draws,
        batch_size,
        repeat_captions == "unavoidable",
        text_seen,
        photo_seen,
        np.empty(len(table), dtype=np.int64),
        photos,
        captions,
    )
    if found >= 0:
        raise TrainingError(
            f"A batch of {batch_size} pairs with different captions cannot be filled: {found} is the most "
            "that was found. Lower training.batch_size, or set training.repeat_captions to unavoidable."
        )
    return photos, captions


def validation_pairs(table: CaptionTable, batch_size: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The whole validation set, shuffled once and for all, one caption a photo, in batches as training has them.

    The last batch is smaller where the set is no multiple; a lone last pair joins the batch before it.
    """
    generator = generator_of(seed, VALIDATION)
    size = min(batch_size, len(table))
    full = len(table) // size
    photos, captions = plan_epoch(table, size, full, generator, "unavoidable")
    rest = np.setdiff1d(np.arange(len(table)), photos)
    photos = np.concatenate([photos, rest])
    captions = np.concatenate([captions, table.first[rest]])
    edges = [*range(0, full * size, size), full * size if len(rest) > 1 else len(table), len(table)]
    return [
        (photos[start:end], captions[start:end])
        for start, end in zip(edges[:-1], edges[1:], strict=True)
        if end > start
    ]
