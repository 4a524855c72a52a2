"""95 % bootstrap intervals: how much a score would move with another draw of test photos."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

MAX_BLOCK = 4_000_000
"""Resampled indices held at a time, so that a large test set needs no more memory than a small one."""

MIN_OUTCOMES = 5
Z_95 = 1.959964


def resampled_sums(values_NK: np.ndarray, samples: int, seed: int, *, max_block: int = MAX_BLOCK) -> np.ndarray:
    """(samples, K): column sums of `samples` resamples, each of N rows drawn with replacement.

    values_NK: one row a photo, one column a quantity whose sum the score is made of. All columns of one resample come
    from the same draw, so ratios of columns are scores of that draw. The same seed gives the same draws. max_block: resampled
    indices held at a time.
    """
    values_NK = np.asarray(values_NK, np.float64)
    sums_SK = np.empty((samples, values_NK.shape[1]))
    for start, times_SN in _times_drawn(len(values_NK), samples, seed, max_block):
        sums_SK[start : start + len(times_SN)] = times_SN.astype(np.float64) @ values_NK
    return sums_SK


def resampled_group_sums(
    values_N: Any, group_N: Any, groups: int, samples: int, seed: int, *, max_block: int = MAX_BLOCK
) -> np.ndarray:
    """(samples, groups): `resampled_sums` of one quantity, apart for each group, by the same draws.

    group_N: integers below `groups`. Takes no N × groups of memory, which for a thousand classes would be a lot.
    """
    order_N = np.argsort(group_N, kind="stable")
    present, starts = np.unique(np.asarray(group_N)[order_N], return_index=True)
    values_N = np.asarray(values_N, np.float64)[order_N]
    sums_SG = np.zeros((samples, groups))
    for start, times_SN in _times_drawn(len(values_N), samples, seed, max_block):
        block_SN = times_SN[:, order_N] * values_N
        sums_SG[start : start + len(times_SN), present] = np.add.reduceat(block_SN, starts, axis=1)
    return sums_SG


def _times_drawn(count: int, samples: int, seed: int, max_block: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first sample, (s, count) how often each row is drawn in that sample and the next ones), block by block."""
    rng = np.random.Generator(np.random.PCG64(seed))
    block = max(1, max_block // max(count, 1))
    for start in range(0, samples, block):
        size = min(block, samples - start)
        drawn = rng.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        yield start, np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)


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
    if min(hits, samples - hits) >= MIN_OUTCOMES:
        return limits
    low, high = wilson_interval(hits / samples, photos)
    return min(limits[0], low), max(limits[1], high)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` independent samples (Wilson 1927); it has a width at 0 and 1 too."""
    middle = share + Z_95**2 / (2 * count)
    half = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    scale = 1 + Z_95**2 / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
