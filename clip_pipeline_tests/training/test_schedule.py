"""The learning rate, step by step."""

from __future__ import annotations

import math

import pytest

from clip_pipeline.recipes import TrainingSettings
from clip_pipeline.training.schedule import count_steps, learning_rate_at

SETTINGS = TrainingSettings(learning_rate=4e-4, warmup_percent=10, final_rate_percent=10)


def test_warmup_rises_evenly_and_the_peak_is_the_setting():
    """A reference multiplied the rate by itself and trained at 2.5e-7 instead of 5e-4."""
    rates = [learning_rate_at(step, 100, SETTINGS) for step in range(100)]
    assert rates[:3] == pytest.approx([0.4e-4, 0.8e-4, 1.2e-4])
    assert max(rates) == rates[9] == pytest.approx(4e-4)


def test_the_cosine_passes_the_middle_and_ends_at_the_final_rate():
    rates = [learning_rate_at(step, 100, SETTINGS) for step in range(100)]
    assert rates[54] == pytest.approx((4e-4 + 4e-5) / 2)
    assert rates[99] == pytest.approx(4e-5)
    assert all(a > b for a, b in zip(rates[9:-1], rates[10:], strict=True))
    assert rates[31] == pytest.approx(4e-5 + (4e-4 - 4e-5) * 0.5 * (1 + math.cos(math.pi * 22 / 90)))


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup", [0, 50, 100])
def test_short_trainings_and_odd_warmups_have_rates_within_the_limits(steps, warmup):
    settings = TrainingSettings(learning_rate=1e-3, warmup_percent=warmup)
    rates = [learning_rate_at(step, steps, settings) for step in range(steps)]
    assert all(0 < rate <= 1e-3 for rate in rates)
    if warmup == 0:
        assert rates[0] == 1e-3


def test_steps_are_epochs_times_photos_over_the_batch():
    assert count_steps(1000, TrainingSettings(epochs=2.5, batch_size=100)) == 25
    assert count_steps(10, TrainingSettings(epochs=0.01, batch_size=10)) == 1
