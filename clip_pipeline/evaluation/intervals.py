"""95 % bootstrap intervals: how much a score would move with another draw of test photos."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LARGEST_BLOCK = 4_000_000
"""Resampled indices held at a time, so that a large test set needs no more memory than a small one."""

FEWEST_OUTCOMES = 5
Z_95 = 1.959964


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
    """The interval of a mean of hits, or of sum(hits) / sum(weights) where a photo counts for several samples.

    Resampling cannot see an outcome that hardly occurred: with fewer than five hits, or fewer than five misses, the
    interval is widened to Wilson's, of as many samples as there are photos.
    """
    values_N = np.asarray(values_N, np.float64)
    weights_N = np.ones_like(values_N) if weights_N is None else np.asarray(weights_N, np.float64)
    sums_S2 = resampled_sums(np.stack([values_N, weights_N], axis=1), samples, seed)
    limits = interval(sums_S2[:, 0] / sums_S2[:, 1])
    return widened_where_rare(limits, float(values_N.sum()), float(weights_N.sum()), len(values_N))


def widened_where_rare(limits: tuple[float, float], hits: float, samples: float, photos: int) -> tuple[float, float]:
    """`limits`, widened to Wilson's interval where fewer than five of the samples hit, or fewer than five missed."""
    if min(hits, samples - hits) >= FEWEST_OUTCOMES:
        return limits
    low, high = wilson_interval(hits / samples, photos)
    return min(limits[0], low), max(limits[1], high)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` independent samples (Wilson 1927); it has a width at 0 and 1 too."""
    middle = share + Z_95**2 / (2 * count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    scale = 1 + Z_95**2 / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
