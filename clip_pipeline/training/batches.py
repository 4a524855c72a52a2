"""Which pairs a step trains on, and how its pictures are varied: a pure function of (seed, step).

So a killed run resumes with the very batch that came next, and nothing about the loader needs saving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.errors import TrainingError
from clip_pipeline.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

# one random stream a purpose: adding a purpose leaves the others as they are
_ORDER, _AUGMENTATION, _VALIDATION, _SHUFFLED_CAPTIONS = range(4)

LARGEST_ASPECT = 4 / 3


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


def make_caption_table(captions: Sequence[Sequence[str]], tokens: np.ndarray) -> CaptionTable:
    """captions: at least one text for each photo. tokens: (C, L) ids of all of them, in that order."""
    lengths = np.array([len(texts) for texts in captions], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(lengths)])
    numbers: dict[str, int] = {}
    text_ids = np.array(
        [numbers.setdefault(text, len(numbers)) for texts in captions for text in texts], dtype=np.int64
    )
    return CaptionTable(first, text_ids, tokens)


def shuffled_captions(table: CaptionTable, seed: int) -> CaptionTable:
    """The control: every photo has the captions of another, so there is nothing to learn but chance."""
    order = _generator(seed, _SHUFFLED_CAPTIONS).permutation(len(table))
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
        generator = _generator(self.seed, _ORDER, epoch)
        return plan_epoch(self.table, self.batch_size, self.steps_per_epoch, generator, self.repeat_captions)


def plan_epoch(
    table: CaptionTable, batch_size: int, batches: int, generator: np.random.Generator, repeat_captions: str = "never"
) -> tuple[np.ndarray, np.ndarray]:
    """A random order of the photos with one random caption each, (batches × batch_size,) photo and caption rows.

    A text stands only once in a batch: two pictures of the same caption would each count as the other's wrong answer. A
    photo whose captions are all taken waits for the next batch. Where an epoch's last photos all share their captions,
    `never` takes photos a second time in their place, `unavoidable` lets texts repeat there; `free` does not look at texts.
    Raises TrainingError when there are too few different captions for a batch.
    """
    order = generator.permutation(len(table))
    if repeat_captions == "free":
        drawn = (generator.random(len(table)) * np.diff(table.first)).astype(np.int64)
        order = order[: batches * batch_size]
        return order, table.first[order] + drawn[order]
    from clip_pipeline.training.order_kernels import plan_batches

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
    generator = _generator(seed, _VALIDATION)
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


def varied_pictures(
    pictures: np.ndarray,
    step: int,
    settings: TrainingSettings,
    mean: Sequence[float],
    std: Sequence[float],
    share: slice = slice(None),
    batch_size: int = 0,
) -> torch.Tensor:
    """(B, 3, S, S) float32, channels last in memory: cropped, mirrored and jittered as the settings say, then normalised.

    pictures: (B, S, S, 3) uint8. The variation is a pure function of the seed and the step; where `pictures` are but a
    share of a batch of `batch_size`, it is that of the same rows of the whole batch.
    """
    import torch

    generator = _generator(settings.seed, _AUGMENTATION, step)
    count = batch_size or len(pictures)
    crops = generator.random((count, 4)).astype(np.float32)[share]
    mirrored = (generator.random(count) < 0.5 if settings.flip else np.zeros(count, dtype=bool))[share]
    jitter = generator.uniform(-1, 1, (count, 2)).astype(np.float32)[share]
    pictures_BCHW = normalised_pictures(pictures, mean, std)
    if settings.crop_scale < 1:
        pictures_BCHW = _crop(pictures_BCHW, crops, mirrored, settings.crop_scale)
    elif settings.flip:
        chosen = torch.from_numpy(mirrored)[:, None, None, None]
        pictures_BCHW = torch.where(chosen, pictures_BCHW.flip(3), pictures_BCHW)
    if settings.colour_jitter > 0:
        brightness, contrast = torch.from_numpy(jitter * settings.colour_jitter).T[:, :, None, None, None]
        centre = pictures_BCHW.mean((1, 2, 3), keepdim=True)
        pictures_BCHW = (pictures_BCHW - centre) * (1 + contrast) + centre + brightness
    return pictures_BCHW.contiguous(memory_format=torch.channels_last)


def normalised_pictures(pictures: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(B, 3, S, S) float32 from (B, S, S, 3) uint8, as open_clip's ToTensor and Normalize do; channels last in memory."""
    import torch

    pixels = torch.from_numpy(np.array(pictures)).to(torch.float32).div_(255)
    pixels = pixels.sub_(torch.tensor(mean)).div_(torch.tensor(std))
    return pixels.permute(0, 3, 1, 2)


def _crop(pictures_BCHW: torch.Tensor, draws: np.ndarray, mirrored: np.ndarray, smallest: float) -> torch.Tensor:
    """A random crop of area `smallest`..1 and a moderate aspect, stretched to the full size (bilinear)."""
    import torch
    import torch.nn.functional as F

    area = smallest + (1 - smallest) * draws[:, 0]
    steepest = np.minimum(np.log(LARGEST_ASPECT), -np.log(area))  # no side may be longer than the picture's
    aspect = np.exp((2 * draws[:, 1] - 1) * steepest)
    width, height = np.sqrt(area * aspect).astype(np.float32), np.sqrt(area / aspect).astype(np.float32)
    matrices = np.zeros((len(draws), 2, 3), dtype=np.float32)
    matrices[:, 0, 0] = np.where(mirrored, -width, width)
    matrices[:, 1, 1] = height
    matrices[:, 0, 2] = (2 * draws[:, 2] - 1) * (1 - width)
    matrices[:, 1, 2] = (2 * draws[:, 3] - 1) * (1 - height)
    grid = F.affine_grid(torch.from_numpy(matrices), list(pictures_BCHW.shape), align_corners=False)
    return F.grid_sample(pictures_BCHW, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    # SeedSequence takes no negative numbers; a seed and its negative are different seeds here
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([abs(seed), int(seed < 0), *purpose])))
