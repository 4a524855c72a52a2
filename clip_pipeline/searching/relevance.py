"""How well a photo fits a text, in one of four words: strong, likely, weak, or nothing here fits.

A score means something else for every model, so that no threshold of scores stands in the code. What a score means is learnt for each index
from phrases of captions (`calibration.py`): how much likelier it is with photos of which the phrase is said than with others. How many photos fit
a query is found from all of its scores (Saerens et al. 2002, adjusting a classifier to new a priori probabilities), but no more than usual for its number of
words: what fits by half, as red things and cups do a red cup, would be counted as fitting (sandbox: 2.5 times too many). Both give a probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from clip_pipeline.errors import ShapeError

Value = TypeVar("Value")

STRONG_FROM, LIKELY_FROM, WEAK_FROM = 0.8, 0.5, 0.1
"""Probabilities, of any model, from which a photo fits strongly, likely, or weakly."""

PRIOR_STEPS = 50
SMALLEST_PRIOR, LARGEST_PRIOR = 1e-7, 0.5
PRIOR_DIVISOR = 10
"""A tenth of the usual share is the least: whether anything fits at all is asked by `fits_nothing`."""
MAX_KNOTS = 200


class Fit(StrEnum):
    """The words that people read. NONE is of a photo that does not fit, and of a query that nothing here fits."""

    STRONG = "strong"
    LIKELY = "likely"
    WEAK = "weak"
    NONE = "none"


class Scoring(StrEnum):
    """What ranks the photos for a text: the cosine, or the cosine less the photo's 90th percentile over captions."""

    COSINE = "cosine"
    ABOVE_CAPTIONS = "above_captions"


@dataclass(frozen=True)
class Curve:
    """scores, log_ratios: where the logarithm of the likelihood ratio is known, rising; between them it is a straight line, outside the last value. share:
    the usual share of photos that fit a phrase."""

    scores: tuple[float, ...]
    log_ratios: tuple[float, ...]
    share: float


@dataclass(frozen=True)
class Calibration:
    """What the scores of one index mean. scoring: which scores. curves: by the number of words of a phrase, for the scores of longer ones lie elsewhere; none
    where nothing could be learnt. false_alarms: by the number of words the score that the best photo of 95 % of phrases which no photo has stays below. The largest
    number stands for all longer ones. figures: how good it is, as measured."""

    scoring: Scoring
    curves: Mapping[int, Curve] = field(default_factory=dict)
    false_alarms: Mapping[int, float] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, scores_N: np.ndarray, words: int) -> np.ndarray:
        """(N,) probability that each photo fits one query of so many words, from the scores of all photos that are searched."""
        curve = _of_length(self.curves, words)
        if curve is None:
            raise ShapeError("The index has learnt no words for its scores. Build it of photos with captions.")
        ratios_N = np.exp(np.interp(scores_N, curve.scores, curve.log_ratios))
        prior = min(max(fitted_prior(ratios_N), curve.share / PRIOR_DIVISOR), curve.share)
        return prior * ratios_N / (prior * ratios_N + 1 - prior)

    def fits_nothing(self, best_score: float, words: int) -> bool:
        """Whether the best score is one that phrases of so many words reach which no photo has. Of single words captions say that themselves."""
        lengths = [length for length in self.false_alarms if length <= words]
        return bool(lengths) and best_score < self.false_alarms[max(lengths)]


def _of_length(values: Mapping[int, Value], words: int) -> Value | None:
    """The value for so many words, or for the nearest number below, else above."""
    below = max((length for length in values if length <= words), default=None)
    return values[min(values) if below is None else below] if values else None


def fitted_prior(ratios_N: np.ndarray) -> float:
    """The share of fitting photos under which N likelihood ratios are likeliest, by expectation and maximisation.

    A share above one half is no search any more, and is not found.
    """
    if not len(ratios_N):
        return SMALLEST_PRIOR
    prior = 0.01
    for _ in range(PRIOR_STEPS):
        fits_N = prior * ratios_N / (prior * ratios_N + 1 - prior)
        before, prior = prior, float(np.clip(fits_N.mean(), SMALLEST_PRIOR, LARGEST_PRIOR))
        if abs(prior - before) < 1e-4 * prior:
            break
    return prior


def fit_of(probability: float) -> Fit:
    """The word for a probability."""
    for fit, least in ((Fit.STRONG, STRONG_FROM), (Fit.LIKELY, LIKELY_FROM), (Fit.WEAK, WEAK_FROM)):
        if probability >= least:
            return fit
    return Fit.NONE


def fitted_ratios(scores_M: np.ndarray, fits_M: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(scores, log likelihood ratios) at most 200 of each, both rising: isotonic regression of `fits` on the scores, photos that fit and others
    weighing the same. Each block counts half a photo more of both kinds, so that no ratio is infinite."""
    order_M = np.argsort(scores_M, kind="stable")
    values, starts = np.unique(scores_M[order_M], return_index=True)
    positive = np.add.reduceat(fits_M[order_M].astype(np.float64), starts)
    negative = np.add.reduceat(1.0 - fits_M[order_M], starts)
    blocks = _pooled(values, positive / positive.sum(), negative / negative.sum())
    places = np.unique(np.linspace(0, len(blocks) - 1, min(MAX_KNOTS, len(blocks))).round().astype(int))
    half_positive, half_negative = 0.5 / positive.sum(), 0.5 / negative.sum()
    knots = [blocks[place] for place in places.tolist()]
    logs = np.log([(pos + half_positive) / (neg + half_negative) for _, _, pos, neg in knots])
    return tuple(total / count for total, count, _, _ in knots), tuple(np.maximum.accumulate(logs).tolist())


def _pooled(values: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> list[tuple[float, int, float, float]]:
    """(sum of the values, how many, positives, negatives) of neighbours that were pooled until shares of positives rise."""
    blocks: list[tuple[float, int, float, float]] = []
    for value, pos, neg in zip(values.tolist(), positive.tolist(), negative.tolist(), strict=True):
        block = (value, 1, pos, neg)
        while blocks and blocks[-1][2] * (block[2] + block[3]) >= block[2] * (blocks[-1][2] + blocks[-1][3]):
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2], last[3] + block[3])
        blocks.append(block)
    return blocks


def auc(positives: Sequence[float] | np.ndarray, negatives: Sequence[float] | np.ndarray) -> float:
    """The share of pairs in which the positive is higher, ties half: the area under the ROC curve. NaN where one is empty."""
    if not len(positives) or not len(negatives):
        return float("nan")
    both = np.concatenate([positives, negatives])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    count = len(positives)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(negatives)))
