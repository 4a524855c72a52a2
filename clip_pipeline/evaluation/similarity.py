"""Cosines between unit vectors, the same on every machine."""

from __future__ import annotations

import numpy as np

DECIMALS = 6


def similarities(left_ND: np.ndarray, right_MD: np.ndarray) -> np.ndarray:
    """(N, M) float64 cosines, rounded to six decimals.

    The rounding makes equal vectors tie exactly whatever the order in which a matrix product sums, so that ranks do not
    depend on the number of threads. float16 embeddings are a thousand times coarser.
    """
    product_NM = np.asarray(left_ND, np.float64) @ np.asarray(right_MD, np.float64).T
    return np.round(product_NM, DECIMALS, out=product_NM)
