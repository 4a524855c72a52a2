"""Few-shot probes: what a linear probe makes of 1, 2, 4, … photos a class."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clip_pipeline.errors import SettingsError
from clip_pipeline.evaluation.probes.linear import inverse_regularizations_to_try, train_linear_probe
from clip_pipeline.evaluation.probes.splits import ProbeSplit
from clip_pipeline.settings import ProbeSettings

VALUES_OF_C = 13
"""One a power of ten: a choice that few photos make needs no finer ones."""

ROUGH = 1e-4
"""Tolerance of the fits. Few photos can be told apart perfectly, and then the optimum lies far out and matters to nobody."""


@dataclass(frozen=True)
class FewShot:
    """shots: photos a class. predicted_SM: (seeds, M test photos) class indices. inverse_regularizations: the C of each draw."""

    shots: int
    predicted_SM: np.ndarray
    inverse_regularizations: tuple[float, ...]


def shots_of(settings: ProbeSettings) -> list[int]:
    """The setting `shots` as numbers, rising. Raises SettingsError for what are none."""
    words = [word.strip() for word in settings.shots.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) > 0 for word in words):
        raise SettingsError(
            f'probe.shots is "{settings.shots}", expected numbers with commas between, such as 1,2,4,8,16.'
        )
    return sorted({int(word) for word in words})


def train_few_shot_probes(
    features_ND: np.ndarray, labels_N: np.ndarray, split: ProbeSplit, settings: ProbeSettings
) -> list[FewShot]:
    """For each number of shots and each seed, a probe on that many photos a class, drawn from the training rows.

    The draws of one seed are nested: four shots hold the two. C is chosen among 13 powers of ten by accuracy on min(shots, 4)
    further photos a class, which are never among those of the test, as Zhou et al. 2022 (CoOp) do for their linear probes,
    and the probe is trained on the shots alone. labels_N: 0 … C - 1. Numbers of shots for which some class has too few
    photos are left out.
    """
    pool, inverse_regularizations = split.learnt, inverse_regularizations_to_try(VALUES_OF_C)
    fewest = int(np.bincount(labels_N[pool]).min())
    found = []
    for shots in shots_of(settings):
        further = min(shots, 4)
        if shots + further > fewest:
            continue
        predicted, chosen = [], []
        for seed in range(settings.seed, settings.seed + settings.few_shot_seeds):
            drawn = _drawn_by_class(pool, labels_N, seed)
            train = np.concatenate([rows[:shots] for rows in drawn])
            validation = np.concatenate([rows[len(rows) - further :] for rows in drawn])
            probe = train_linear_probe(
                features_ND,
                labels_N,
                train,
                validation,
                inverse_regularizations,
                settings.standardise,
                settings.double,
                refit=False,
                tolerance=ROUGH,
            )
            predicted.append(probe.head.predict(features_ND[split.test]))
            chosen.append(probe.head.inverse_regularization)
        found.append(FewShot(shots, np.stack(predicted), tuple(chosen)))
    return found


def _drawn_by_class(rows: np.ndarray, labels_N: np.ndarray, seed: int) -> list[np.ndarray]:
    """The rows of each class in an order that the seed decides."""
    generator = np.random.default_rng(seed)
    return [generator.permutation(rows[labels_N[rows] == label]) for label in np.unique(labels_N[rows])]


T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262, 10: 2.228}
"""Two-sided 95 % quantiles of Student's t by degrees of freedom; beyond ten, 2.228 is a little wide."""


def mean_over_draws(hits_SM: np.ndarray, photo_limits: tuple[float, float]) -> tuple[float, tuple[float, float]]:
    """(mean accuracy over the draws, 95 % interval). hits_SM: (seeds, M).

    Two things vary: the shots (Student's t over the seeds) and the photos of the test (photo_limits, of the hits averaged
    over the seeds). Their half widths are added as squares.
    """
    accuracy_S = hits_SM.mean(axis=1)
    mean, draws = float(accuracy_S.mean()), len(accuracy_S)
    half = T_95[min(draws - 1, 10)] * float(accuracy_S.std(ddof=1)) / math.sqrt(draws)
    low, high = (math.hypot(half, mean - photo_limits[0]), math.hypot(half, photo_limits[1] - mean))
    return mean, (max(0.0, mean - low), min(1.0, mean + high))
