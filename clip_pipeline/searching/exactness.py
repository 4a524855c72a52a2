"""Whether an index gives the right answers: its best ten beside those of float64, for photos and for texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.evaluation.similarity import similarities
from clip_pipeline.searching.index import SearchIndex
from clip_pipeline.searching.scan import RESCORED, best_rows, exact_cosines, in_order, scan

QUERIES, BEST = 50, 10
ROWS_AT_A_TIME = 65_536


@dataclass(frozen=True)
class Exactness:
    """Recall at ten of both kinds of queries, and how many of each there were."""

    photos: float
    texts: float
    queries: int


def measured_exactness(index: SearchIndex, seed: int = 0) -> Exactness:
    """Asks for photos like some that are drawn, and for captions of the index, and compares with every vector in float64."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = rng.choice(len(index), min(QUERIES, len(index)), replace=False)
    photos_QD = np.asarray(index.vectors_ND[np.sort(rows)], np.float64)
    photos_QD /= np.linalg.norm(photos_QD, axis=1, keepdims=True)
    recalls = [
        float(
            np.mean(
                [len(set(found) & set(right)) / len(right) for found, right in _answers(index, queries_QD)] or [1.0]
            )
        )
        for queries_QD in (photos_QD, np.asarray(index.captions_QD, np.float64))
    ]
    return Exactness(recalls[0], recalls[1], len(photos_QD))


def _answers(index: SearchIndex, queries_QD: np.ndarray) -> list[tuple[list[int], list[int]]]:
    """(our rows, the right ones) of each query."""
    right = best_by_float64(index.vectors_ND, queries_QD, BEST)
    return [(nearest(index, query_D, BEST), rows) for query_D, rows in zip(queries_QD, right, strict=True)]


def nearest(index: SearchIndex, query_D: np.ndarray, count: int) -> list[int]:
    """The rows of the highest cosines, as a search finds them."""
    rows_K = best_rows(scan(index.codes_ND, index.scales_N, query_D), max(RESCORED, 2 * count))
    return rows_K[in_order(exact_cosines(index.vectors_ND, rows_K, query_D), rows_K)][:count].tolist()


def best_by_float64(vectors_ND: np.ndarray, queries_QD: np.ndarray, count: int) -> list[list[int]]:
    """The rows of the highest cosines of each query, of equal ones the first by row: every vector, a block at a time."""
    best: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros(0), np.zeros(0, np.int64)) for _ in queries_QD]
    for start in range(0, len(vectors_ND), ROWS_AT_A_TIME):
        cosines_QN = similarities(queries_QD, vectors_ND[start : start + ROWS_AT_A_TIME])
        for place, cosines_N in enumerate(cosines_QN):
            scores = np.concatenate([best[place][0], cosines_N])
            rows = np.concatenate([best[place][1], np.arange(start, start + len(cosines_N))])
            order = in_order(scores, rows)[:count]
            best[place] = scores[order], rows[order]
    return [rows.tolist() for _, rows in best]
