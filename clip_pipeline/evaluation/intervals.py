"""95 % bootstrap intervals: how much a score would move with another draw of test photos."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST_BLOCK = 4_000_000
"""Resampled indices held at a time, so that a large test set needs no more memory than a small one."""


def resampled_sums(values_NK: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """(samples, K): column sums of `samples` resamples, each of N rows drawn with replacement.

    values_NK: one row a photo, one column a quantity whose sum the score is made of. All columns of one resample come
    from the same draw, so ratios of columns are scores of that draw. The same seed gives the same draws.
    """
    values_NK = np.asarray(values_NK, np.float64)
    count = len(values_NK)
    rng = np.random.Generator(np.random.PCG64(seed))
    sums_SK = np.empty((samples, values_NK.shape[1]))
    block = max(1, LARGEST_BLOCK // max(count, 1))
    for start in range(0, samples, block):
        size = min(block, samples - start)
        drawn = rng.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        times_drawn = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        sums_SK[start : start + size] = times_drawn.astype(np.float64) @ values_NK
    return sums_SK


def interval(resampled_S: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the resampled scores (percentile bootstrap, Efron 1979)."""
    low, high = np.quantile(resampled_S, (0.025, 0.975))
    return float(low), float(high)


def mean_interval(values_N: Any, samples: int, seed: int, weights_N: Any = None) -> tuple[float, float]:
    """The interval of a mean, or of sum(values) / sum(weights) where a photo counts for several samples.

    A score of exactly 0 or 1 has an interval of no width: no resample of equal values differs from them.
    """
    values_N = np.asarray(values_N, np.float64)
    weights_N = np.ones_like(values_N) if weights_N is None else np.asarray(weights_N, np.float64)
    sums_S2 = resampled_sums(np.stack([values_N, weights_N], axis=1), samples, seed)
    return interval(sums_S2[:, 0] / sums_S2[:, 1])
