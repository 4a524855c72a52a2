"""Is a difference between two models more than chance? Tests on the same samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's exact test (1947): samples that both models get right, or both wrong, say nothing; of the
    others each model would win half if they were equally good. Binomial, without the approximation by chi squared."""
    count = only_first + only_second
    fewer = min(only_first, only_second)
    tail = ways = 1
    for k in range(1, fewer + 1):  # whole numbers, each from the one before: 20,000 steps take 0.1 s
        ways = ways * (count - k + 1) // k
        tail += ways
    return min(1.0, 2 * tail / 2**count)


def bootstrap_p_value(difference_S: np.ndarray) -> float:
    """Two-sided p-value of a difference being 0: twice the smaller share of resamples on either side of it, each counted with one
    sample more (Davison and Hinkley 1997), so that it is never 0."""
    count = len(difference_S)
    below = (np.count_nonzero(difference_S <= 0) + 1) / (count + 1)
    above = (np.count_nonzero(difference_S >= 0) + 1) / (count + 1)
    return float(min(1.0, 2 * min(below, above)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): with them, the chance that even one of many comparisons of equal models is
    called significant at 5 % stays below 5 %. In the order given."""
    count = len(p_values)
    corrected = [1.0] * count
    largest = 0.0
    for place, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (count - place) * p_values[index]))
        corrected[index] = largest
    return corrected
