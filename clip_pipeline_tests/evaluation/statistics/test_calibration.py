from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.evaluation.statistics.calibration import bin_of, calibration_bins, expected_calibration_error


def loop_reference(confidences: list[float], hits: list[bool]) -> float:
    """The definition of Guo et al. 2017, bins as half-open intervals ((m - 1) / 15, m / 15], with loops."""
    error = 0.0
    for m in range(1, 16):
        inside = [
            (c, h) for c, h in zip(confidences, hits, strict=True) if (m - 1) / 15 < c <= m / 15 or (m == 1 and c == 0)
        ]
        if inside:
            accuracy = sum(h for _, h in inside) / len(inside)
            confidence = sum(c for c, _ in inside) / len(inside)
            error += len(inside) / len(confidences) * abs(accuracy - confidence)
    return error


def test_the_error_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.05, 1, 700)
    hits = rng.uniform(size=700) < confidence**2
    value, (low, high) = expected_calibration_error(confidence, hits, 300, 0)
    assert value == pytest.approx(loop_reference(confidence.tolist(), hits.tolist()), abs=1e-12)
    assert 0.1 < value < 0.3
    assert 0 < low < value < high < 0.3


def test_a_model_that_is_always_half_sure_and_right_in_half_of_the_cases_is_calibrated():
    value, (low, high) = expected_calibration_error([0.5] * 1000, [True, False] * 500, 200, 0)
    assert (value, low) == (0, 0)
    assert high == 0  # every resample is farther away; the pivot cannot lie above the error


def test_a_model_that_is_always_sure_and_always_wrong_has_the_largest_error():
    value, (low, high) = expected_calibration_error([1.0] * 50, [False] * 50, 200, 0)
    assert value == low == high == 1


def test_the_upper_edge_belongs_to_the_bin():
    assert bin_of(np.array([0.0, 0.01, 1 / 15, 1 / 15 + 1e-9, 0.2, 1.0])).tolist() == [0, 0, 0, 1, 2, 14]


def test_bins_hold_every_photo_once_and_tell_their_means():
    bins = calibration_bins([0.5, 0.52, 0.9], [True, False, True])
    assert [(one.photos, one.accuracy) for one in bins] == [(2, 0.5), (1, 1.0)]
    assert bins[0].confidence == pytest.approx(0.51)
    assert all(one.low < one.confidence <= one.high for one in bins)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_error_lies_inside_its_interval_and_between_nothing_and_one(pairs):
    confidence, hits = zip(*pairs, strict=True)
    value, (low, high) = expected_calibration_error(confidence, hits, 100, 0)
    assert 0 <= low <= value <= high <= 1
    assert sum(one.photos for one in calibration_bins(confidence, hits)) == len(pairs)
