"""Images laid over one another (mixup): an image that shows two things belongs to both captions.

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", for pairs. An encoder that memorises thousands of photos
cannot do so with their mixtures. The images of a batch, which lie in a random order, are mixed each with the next in a
small circle, so that no two images hold the same two photos. Exchanged in pairs instead, two photos with equal shares would be
one image twice, which tells nothing of whose caption is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.errors import SettingsError
from clip_pipeline.training.randomness import MIXUP, generator_of

if TYPE_CHECKING:
    import torch


CIRCLE = 4
"""Images that are mixed among themselves: small, so that processes that share a batch can hold whole circles."""


def draw_mixup_weight(seed: int, step: int, alpha: float) -> float:
    """The share of its own that each image of a step keeps: drawn from Beta(alpha, alpha), 1 for an alpha of 0."""
    if not alpha:
        return 1.0
    return float(generator_of(seed, MIXUP, step).beta(alpha, alpha))


def check_circles(alpha: float, batch_size: int, processes: int) -> None:
    """Raises SettingsError where a circle of mixed images would lie in two processes."""
    each = batch_size // processes
    if alpha and processes > 1 and each % CIRCLE:
        raise SettingsError(
            f"training.mixup_alpha lays images over one another in circles of {CIRCLE}, but each of {processes} processes has {each} "
            f"of the {batch_size} images of a batch. Set training.batch_size to {processes * CIRCLE * (each // CIRCLE + 1)}."
        )


def next_ones(rows: torch.Tensor) -> torch.Tensor:
    """(N, ...) with each row's successor in its place, the first after the last, in circles of CIRCLE rows; the last may be smaller."""
    import torch

    whole = len(rows) // CIRCLE * CIRCLE
    circles = rows[:whole].unflatten(0, (-1, CIRCLE)).roll(-1, 1).flatten(0, 1)
    return torch.cat([circles, rows[whole:].roll(-1, 0)])


def mixed_images(images_BCHW: torch.Tensor, mixup_weight: float) -> torch.Tensor:
    """Each image weakened to its `mixup_weight`, the next one laid over it with the rest."""
    return images_BCHW if mixup_weight == 1.0 else images_BCHW.lerp(next_ones(images_BCHW), 1 - mixup_weight)
