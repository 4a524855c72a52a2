"""The scan: cosines of one query with all photos from their codes, and the best of them once more from the vectors themselves.

Every photo is looked at. Graphs and clusters look at some, and lose texts, which lie outside of the cloud of the photos: of drawn
vectors .40 to .62 of the right answers at usual settings, of 900 real ViT-B/32 photos .94 (docs/decisions/0035).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from clip_pipeline.evaluation.similarity import similarities
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.searching.codes import quantise_query

RESCORED = 200
"""Rows whose cosines are computed again from float16. The best ten by codes are the best ten by float64 up to one answer in a thousand
with 100 rows (ViT-B/32, a million)."""
ROWS_FOR_A_THREAD = 50_000
"""Fewer take a millisecond, less than a thread is worth."""


def scan(codes_ND: np.ndarray, scales_N: np.ndarray, query_D: np.ndarray, threads: int = 0) -> np.ndarray:
    """(N,) float32: the cosine of each row with a query, as its codes say it; the same bits whatever the threads.

    query_D: of unit length. threads: 0 is one a core.
    """
    from clip_pipeline.searching.scan_kernel import cosines_of

    query_codes_D, query_scale = quantise_query(query_D)
    found_N = np.empty(len(codes_ND), np.float32)
    parts = max(1, min(threads or usable_cores(), len(codes_ND) // ROWS_FOR_A_THREAD))
    if parts == 1:
        cosines_of(codes_ND, scales_N, query_codes_D, query_scale, 0, len(codes_ND), found_N)
        return found_N
    edges = np.linspace(0, len(codes_ND), parts + 1).astype(int).tolist()
    with ThreadPoolExecutor(parts) as pool:
        done = [
            pool.submit(cosines_of, codes_ND, scales_N, query_codes_D, query_scale, start, stop, found_N)
            for start, stop in zip(edges, edges[1:], strict=False)
        ]
        for part in done:
            part.result()
    return found_N


def best_rows(scores_N: np.ndarray, count: int) -> np.ndarray:
    """The rows of the `count` highest scores and of all that equal the last of them, by row. Rows of minus infinity are none."""
    count = min(count, len(scores_N))
    if not count:
        return np.zeros(0, np.int64)
    lowest = np.partition(scores_N, len(scores_N) - count)[len(scores_N) - count]
    return np.flatnonzero((scores_N >= lowest) & (scores_N > -np.inf))


def exact_cosines(vectors_ND: np.ndarray, rows_K: np.ndarray, query_D: np.ndarray) -> np.ndarray:
    """(K,) float64 cosines of some rows, from their stored vectors, rounded so that equal vectors tie (`similarities`)."""
    return similarities(vectors_ND[rows_K], np.asarray(query_D, np.float64)[None])[:, 0]


def in_order(scores_K: np.ndarray, rows_K: np.ndarray) -> np.ndarray:
    """The places of the scores from the highest to the lowest, of equal ones by row."""
    return np.lexsort((rows_K, -scores_K))
