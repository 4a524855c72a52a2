"""How many steps, and the learning rate at each of them."""

from __future__ import annotations

import math

from clip_pipeline.recipes import TrainingSettings


def count_steps(photos: int, settings: TrainingSettings) -> int:
    """Optimizer steps of the whole training: epochs × photos / batch size, at least one."""
    return max(1, round(settings.epochs * photos / settings.batch_size))


def learning_rate_at(step: int, total_steps: int, settings: TrainingSettings) -> float:
    """The learning rate of `step` (from 0): a linear rise, then a cosine down to the final rate.

    The peak is exactly `settings.learning_rate`, reached at the last step of the warmup; the last step has the final rate.
    """
    peak = settings.learning_rate
    floor = peak * settings.final_rate_percent / 100
    warmup_steps = round(total_steps * settings.warmup_percent / 100)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    falling_steps = total_steps - warmup_steps
    done = (step - warmup_steps + (1 if warmup_steps else 0)) / max(
        1, falling_steps if warmup_steps else falling_steps - 1
    )
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
