"""Calibration: is a model that says 80 % right in 80 of 100 cases?

Confidence is the probability of the predicted class, a softmax over the candidates of logit scale × cosine. The expected
calibration error (Naeini et al. 2015, Guo et al. 2017) sorts the photos into 15 bins of equal width by their confidence and
averages |accuracy - confidence| over them, each weighted by its photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clip_pipeline.evaluation.statistics.bootstrap import resampled_group_sums

BINS = 15
"""Of equal width over 0 … 1; the upper edge belongs to the bin."""


@dataclass(frozen=True)
class Bin:
    """Photos whose confidence lies in (low, high]: how many, their mean confidence and the share that is right."""

    low: float
    high: float
    photos: int
    confidence: float
    accuracy: float


def bin_of(confidence_N: np.ndarray) -> np.ndarray:
    """(N,) bin of each confidence, from 0."""
    return np.clip(np.ceil(np.asarray(confidence_N, np.float64) * BINS).astype(int) - 1, 0, BINS - 1)


def calibration_bins(confidence_N: Any, correct_N: Any) -> list[Bin]:
    """The bins that hold a photo, from low to high confidence."""
    confidence_N, correct_N = np.asarray(confidence_N, np.float64), np.asarray(correct_N, np.float64)
    of_photo_N = bin_of(confidence_N)
    bins = []
    for b in np.unique(of_photo_N):
        rows = of_photo_N == b
        inside = float(confidence_N[rows].mean()), float(correct_N[rows].mean())
        bins.append(Bin(b / BINS, (b + 1) / BINS, int(rows.sum()), *inside))
    return bins


def expected_calibration_error(
    confidence_N: Any, correct_N: Any, samples: int, seed: int
) -> tuple[float, tuple[float, float]]:
    """The error and its 95 % bootstrap interval.

    A resample's error is larger than the error itself on average, for noise never cancels under |…|; the interval is therefore
    the pivotal one (2 × error - quantile), cut at 0 and widened to hold the error.
    """
    confidence_N, correct_N = np.asarray(confidence_N, np.float64), np.asarray(correct_N, np.float64)
    gaps_N, of_photo_N = correct_N - confidence_N, bin_of(confidence_N)
    value = float(np.abs(np.bincount(of_photo_N, weights=gaps_N, minlength=BINS)).sum() / len(gaps_N))
    sums_SB = resampled_group_sums(gaps_N, of_photo_N, BINS, samples, seed)
    low, high = np.quantile(np.abs(sums_SB).sum(axis=1) / len(gaps_N), (0.025, 0.975))
    return value, (float(np.clip(2 * value - high, 0, value)), float(np.clip(2 * value - low, value, 1)))
