"""The classes of each photo from the nearest to the farthest, a block of photos at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.evaluation.similarity import similarities

KEPT_CLASSES = 5
"""Best classes kept for each photo."""

MAX_ROWS = 2048
"""Rows of the similarity matrix held at a time: 50,000 photos against 1,000 classes would be 400 MB, and their order as much."""


@dataclass(frozen=True)
class Ranked:
    """For each of N photos: the rank of its target among the classes, from 0, and the best classes with their cosines.

    confidence_N and target_probability_N are the softmax of logit scale × cosine at the best class and at the target;
    NaN where no logit scale is known.
    """

    rank_N: np.ndarray
    best_NK: np.ndarray
    best_similarity_NK: np.ndarray
    confidence_N: np.ndarray
    target_probability_N: np.ndarray


def rank_classes(
    images_ND: np.ndarray,
    classes_CD: np.ndarray,
    target_N: np.ndarray,
    logit_scale: float | None = None,
    *,
    max_rows: int = MAX_ROWS,
) -> Ranked:
    """Ranks the classes by their cosine; equal ones by their index, which does not know the target.

    images_ND, classes_CD: unit vectors. target_N: the right class of each photo. max_rows: photos ranked at a time.
    """
    kept = min(KEPT_CLASSES, len(classes_CD))
    rank_N = np.empty(len(images_ND), np.int64)
    best_NK = np.empty((len(images_ND), kept), np.int64)
    best_similarity_NK = np.empty((len(images_ND), kept))
    probabilities_N2 = np.full((len(images_ND), 2), np.nan)
    for start in range(0, len(images_ND), max_rows):
        block = slice(start, start + max_rows)
        similarity_BC = similarities(images_ND[block], classes_CD)
        order_BC = np.argsort(-similarity_BC, axis=1, kind="stable")
        rank_N[block] = np.argmax(order_BC == target_N[block, None], axis=1)  # 0 where the target came first
        best_NK[block] = order_BC[:, :kept]
        best_similarity_NK[block] = np.take_along_axis(similarity_BC, best_NK[block], axis=1)
        if logit_scale is not None:
            asked_B2 = np.stack([best_NK[block, 0], target_N[block]], axis=1)
            probabilities_N2[block] = np.take_along_axis(_softmax(logit_scale * similarity_BC), asked_B2, axis=1)
    return Ranked(rank_N, best_NK, best_similarity_NK, probabilities_N2[:, 0], probabilities_N2[:, 1])


def best_class(images_ND: np.ndarray, classes_CD: np.ndarray, *, max_rows: int = MAX_ROWS) -> np.ndarray:
    """(N,) the nearest class of each photo, the lower index of equal ones."""
    best_N = np.empty(len(images_ND), np.int64)
    for start in range(0, len(images_ND), max_rows):
        block = slice(start, start + max_rows)
        best_N[block] = similarities(images_ND[block], classes_CD).argmax(axis=1)
    return best_N


def _softmax(logits_BC: np.ndarray) -> np.ndarray:
    weights_BC = np.exp(logits_BC - logits_BC.max(axis=1, keepdims=True))
    return weights_BC / weights_BC.sum(axis=1, keepdims=True)
