"""How many steps, and the learning rate at each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The length of a training and its learning rates; see `learning_rate_at`."""

    steps: int
    warmup: int
    peak: float
    final: float
    shape: str = "cosine"
    cooldown: int = 0

    def rate_at(self, step: int) -> float:
        """The learning rate of `step`, from 0."""
        return learning_rate_at(step, self.steps, self.warmup, self.peak, self.final, self.shape, self.cooldown)


def count_steps(photos: int, batch_size: int, epochs: float, steps: int = 0, samples: int = 0) -> int:
    """Optimizer steps of the whole training: `steps` where they are given, else `samples` or epochs of photos over the batch size."""
    if steps:
        return steps
    return max(1, round((samples or epochs * photos) / batch_size))


def count_warmup_steps(steps: int, percent: float, warmup_steps: int = 0) -> int:
    """Steps with a rising rate: `warmup_steps` where they are given, else `percent` of all."""
    return warmup_steps or round(steps * percent / 100)


def learning_rate_at(
    step: int, steps: int, warmup: int, peak: float, final: float, shape: str = "cosine", cooldown: int = 0
) -> float:
    """The learning rate of `step` (from 0) of `steps`: a linear rise over `warmup` steps, then what `shape` says.

    shape: cosine or linear (falling from `peak` to `final`), constant, or cooldown (constant, then linear over the last
    `cooldown` steps). The peak is exactly `peak`, reached at the last step of the warmup; where the rate falls, the last step
    has the final rate.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    if shape == "constant":
        return peak
    start = warmup
    if shape == "cooldown":
        start = max(warmup, steps - cooldown)
        if step < start:
            return peak
    falling = steps - start
    done = (step - start + (1 if start else 0)) / max(1, falling if start else falling - 1)
    if shape == "cosine":
        return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return peak + (final - peak) * min(1.0, done)
