"""The learning rate, step by step."""

from __future__ import annotations

import math

import pytest

from clip_pipeline.training.optim.schedule import Schedule, count_steps, count_warmup_steps, learning_rate_at

COSINE = Schedule(steps=100, warmup=10, peak=4e-4, final=4e-5)


def test_warmup_rises_evenly_and_the_peak_is_the_setting():
    """A reference multiplied the rate by itself and trained at 2.5e-7 instead of 5e-4."""
    rates = [COSINE.rate_at(step) for step in range(100)]
    assert rates[:3] == pytest.approx([0.4e-4, 0.8e-4, 1.2e-4])
    assert max(rates) == rates[9] == pytest.approx(4e-4)


def test_the_cosine_passes_the_middle_and_ends_at_the_final_rate():
    rates = [COSINE.rate_at(step) for step in range(100)]
    assert rates[54] == pytest.approx((4e-4 + 4e-5) / 2)
    assert rates[99] == pytest.approx(4e-5)
    assert all(a > b for a, b in zip(rates[9:-1], rates[10:], strict=True))
    assert rates[31] == pytest.approx(4e-5 + (4e-4 - 4e-5) * 0.5 * (1 + math.cos(math.pi * 22 / 90)))


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup", [0, 50, 100])
def test_short_trainings_and_odd_warmups_have_rates_within_the_limits(steps, warmup):
    rising = count_warmup_steps(steps, warmup)
    rates = [learning_rate_at(step, steps, rising, 1e-3, 1e-5) for step in range(steps)]
    assert all(0 < rate <= 1e-3 for rate in rates)
    if warmup == 0:
        assert rates[0] == 1e-3


def test_steps_are_epochs_times_photos_over_the_batch():
    assert count_steps(1000, 100, 2.5) == 25
    assert count_steps(10, 10, 0.01) == 1


def test_the_length_may_be_given_in_steps_or_samples():
    assert count_steps(1000, 10, 9, steps=70) == 70
    assert count_steps(1000, 10, 9, samples=330) == 33


def test_the_warmup_may_be_given_in_steps():
    assert count_warmup_steps(100, percent=50, warmup_steps=4) == 4
    assert [learning_rate_at(step, 100, 4, 1e-3, 1e-5) for step in range(4)] == pytest.approx(
        [2.5e-4, 5e-4, 7.5e-4, 1e-3]
    )


def rates_of(shape: str, cooldown: int = 0) -> list[float]:
    return [learning_rate_at(step, 100, 10, 1.0, 0.2, shape, cooldown) for step in range(100)]


def test_linear_falls_evenly_to_the_final_rate():
    rates = rates_of("linear")
    assert rates[9] == 1.0 and rates[99] == pytest.approx(0.2)
    assert rates[54] == pytest.approx(0.6)
    assert {round(a - b, 9) for a, b in zip(rates[9:-1], rates[10:], strict=True)} == {round(0.8 / 90, 9)}


def test_constant_stays_at_the_peak():
    assert set(rates_of("constant")[9:]) == {1.0}


def test_a_cooldown_comes_last_and_never_before_the_warmup_is_over():
    rates = rates_of("cooldown", cooldown=25)
    assert set(rates[9:75]) == {1.0}
    assert rates[87] == pytest.approx(1 - 0.8 * 13 / 25) and rates[99] == pytest.approx(0.2)
    assert max(rates_of("cooldown", cooldown=100)) == rates_of("cooldown", cooldown=100)[9] == 1.0
