"""Pictures laid over one another (mixup): a picture that shows two things belongs to both captions.

Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", for pairs. A tower that learns thousands of photos by heart
cannot do so with their mixtures. The pictures of a batch, which lie in a random order, are mixed with their neighbours: the
first with the second, the third with the fourth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.randomness import MIXING, generator_of

if TYPE_CHECKING:
    import torch


def draw_own_share(settings: TrainingSettings, step: int) -> float:
    """The share of its own that each picture of a step keeps: 1 without mixing, else drawn from Beta(a, a)."""
    if not settings.mixing:
        return 1.0
    return float(generator_of(settings.seed, MIXING, step).beta(settings.mixing, settings.mixing))


def check_shares(settings: TrainingSettings, processes: int) -> None:
    """Raises SettingsError where two neighbours would lie in different processes."""
    each = settings.batch_size // processes
    if settings.mixing and processes > 1 and each % 2:
        raise SettingsError(
            f"training.mixing lays pictures over one another in pairs, but each of {processes} processes has {each} of the "
            f"{settings.batch_size} pictures of a batch. Set training.batch_size to {processes * (each + 1)}."
        )


def swap_neighbours(rows: torch.Tensor) -> torch.Tensor:
    """(N, ...) with the first row and the second exchanged, the third and the fourth, and so on; a lone last one stays."""
    import torch

    pairs = len(rows) // 2
    swapped = rows[: 2 * pairs].unflatten(0, (pairs, 2)).flip(1).flatten(0, 1)
    return torch.cat([swapped, rows[2 * pairs :]])


def mixed_pictures(pictures_BCHW: torch.Tensor, own_share: float) -> torch.Tensor:
    """Each picture weakened to its `own_share`, its neighbour in `swap_neighbours` laid over it with the rest."""
    return pictures_BCHW if own_share == 1.0 else pictures_BCHW.lerp(swap_neighbours(pictures_BCHW), 1 - own_share)
