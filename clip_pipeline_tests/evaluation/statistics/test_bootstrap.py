from __future__ import annotations

import math

import numpy as np
import pytest

from clip_pipeline.evaluation.statistics.bootstrap import (
    interval,
    mean_interval,
    resampled_group_sums,
    resampled_sums,
    wilson_interval,
)


def test_resampled_sums_equal_a_loop_over_the_same_draws():
    values = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [5.0, 50.0]])
    rng = np.random.Generator(np.random.PCG64(7))
    drawn = rng.integers(0, 4, (6, 4))
    expected = [[sum(values[row][column] for row in sample) for column in (0, 1)] for sample in drawn]
    np.testing.assert_allclose(resampled_sums(values, 6, seed=7), expected)


def test_blocks_of_any_size_give_the_same_numbers():
    values = np.random.default_rng(0).random((30, 3))
    at_once = resampled_sums(values, 200, seed=3)
    np.testing.assert_allclose(resampled_sums(values, 200, seed=3, max_block=70), at_once)


def test_the_interval_of_a_mean_agrees_with_the_normal_approximation():
    hits = np.arange(2000) % 10 < 3  # 30 % of 2,000
    low, high = mean_interval(hits, samples=4000, seed=0)
    half = 1.96 * math.sqrt(0.3 * 0.7 / 2000)
    np.testing.assert_allclose([low, high], [0.3 - half, 0.3 + half], atol=0.002)


def test_a_weighted_mean_resamples_photos_with_all_their_captions():
    hits, captions = np.array([5.0, 0.0] * 200), np.full(400, 5.0)
    low, high = mean_interval(hits, 2000, 0, captions)
    half = 1.96 * math.sqrt(0.25 / 400)  # 400 photos, not 2,000 captions: they succeed and fail together
    np.testing.assert_allclose([low, high], [0.5 - half, 0.5 + half], atol=0.006)


def test_a_perfect_score_is_less_sure_for_fewer_photos():
    low, high = mean_interval(np.ones(50), 500, 0)
    assert high == 1.0
    assert low == pytest.approx(50 / (50 + 1.96**2), abs=1e-4)  # Wilson's for 50 of 50
    assert mean_interval(np.ones(5000), 100, 0)[0] > 0.999


def test_a_score_of_zero_does_not_rule_out_a_small_chance():
    low, high = mean_interval(np.zeros(700), 500, 0)
    assert low == 0.0
    assert 1 / 700 < high < 0.01


def test_wilsons_interval_is_that_of_the_textbook():
    # 7 of 20: 0.181 to 0.567 (Newcombe 1998 gives 0.0 to 0.1611 for 0 of 20)
    assert wilson_interval(7 / 20, 20) == pytest.approx((0.181, 0.567), abs=1e-3)
    assert wilson_interval(0.0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_the_seed_decides_the_interval():
    hits = np.arange(100) % 3 == 0
    assert mean_interval(hits, 300, 5) == mean_interval(hits, 300, 5)
    assert mean_interval(hits, 300, 5) != mean_interval(hits, 300, 6)


def test_ninety_five_intervals_of_a_hundred_cover_the_truth():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        low, high = mean_interval(rng.random(150) < 0.4, 400, trial)
        covered += low <= 0.4 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_the_middle_95_percent_is_taken():
    assert interval(np.arange(1001.0)) == (25.0, 975.0)


def test_sums_of_groups_are_those_of_columns_that_hold_one_group_each():
    rng = np.random.default_rng(0)
    values, groups = rng.random(40), rng.integers(0, 6, 40)
    groups[groups == 3] = 2  # a group without a row sums to nothing
    columns = np.where(np.arange(6) == groups[:, None], values[:, None], 0)
    expected = resampled_sums(columns, 50, seed=1)
    np.testing.assert_allclose(resampled_group_sums(values, groups, 6, 50, seed=1), expected, atol=1e-12)
    np.testing.assert_allclose(resampled_group_sums(values, groups, 6, 50, seed=1, max_block=90), expected, atol=1e-12)
