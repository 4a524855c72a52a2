"""How many steps, and the learning rate at each of them."""

from __future__ import annotations

import math

from clip_pipeline.settings import TrainingSettings


def count_steps(photos: int, settings: TrainingSettings) -> int:
    """Optimizer steps of the whole training: the setting `steps`, or `samples` or epochs of photos over the batch size."""
    if settings.steps:
        return settings.steps
    return max(1, round((settings.samples or settings.epochs * photos) / settings.batch_size))


def count_warmup_steps(total_steps: int, settings: TrainingSettings) -> int:
    """Steps with a rising rate: the setting `warmup_steps`, or the share `warmup_percent` of all."""
    return settings.warmup_steps or round(total_steps * settings.warmup_percent / 100)


def learning_rate_at(step: int, total_steps: int, settings: TrainingSettings) -> float:
    """The learning rate of `step` (from 0): a linear rise, then what the setting `schedule` says.

    The peak is exactly `settings.learning_rate`, reached at the last step of the warmup; where the rate falls, the last step
    has the final rate.
    """
    peak = settings.learning_rate
    floor = peak * settings.final_lr_percent / 100
    warmup_steps = count_warmup_steps(total_steps, settings)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if settings.schedule == "constant":
        return peak
    start = warmup_steps
    if settings.schedule == "cooldown":
        start = max(warmup_steps, total_steps - round(total_steps * settings.cooldown_percent / 100))
        if step < start:
            return peak
    falling_steps = total_steps - start
    done = (step - start + (1 if start else 0)) / max(1, falling_steps if start else falling_steps - 1)
    if settings.schedule == "cosine":
        return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return peak + (floor - peak) * min(1.0, done)
