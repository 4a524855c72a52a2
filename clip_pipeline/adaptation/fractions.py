"""Nested fractions of labelled photos: 1 % lies in 10 %, 10 % in 20 %, and every class is in each of them.

The study that this one answers had accuracies that fell with more data, because its "fractions" were damaged sets: classes
were missing, and "100 %" held 41,856 of 75,750 photos. So a fraction here is drawn a class at a time, from one order of the
class's photos, and is checked and written down before anything is trained on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clip_pipeline.errors import DatasetError, SettingsError
from clip_pipeline.training.randomness import generator_of

FRACTION_STREAM, SPLIT_STREAM = 100, 101
"""Random streams of their own, apart from those of a training."""


def parse_percents(text: str) -> tuple[float, ...]:
    """`1, 10, 100` → (1.0, 10.0, 100.0), ascending. Raises SettingsError for anything outside 0 < percent ≤ 100."""
    try:
        percents = sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError:
        percents = []
    if not percents or percents[0] <= 0 or percents[-1] > 100:
        raise SettingsError(
            f'adaptation.fractions is "{text}". Write percents of the photos with commas, as in 1,10,100.'
        )
    return tuple(percents)


def percent_key(percent: float) -> str:
    """`010` for 10 %, `000.5` for half a percent: sorts as the number does, and can be a folder's name."""
    return f"{percent:03.0f}" if percent == round(percent) else f"{int(percent):03d}" + f"{percent % 1:g}".lstrip("0")


def split_stratified(labels_N: np.ndarray, share: float, seed: int, purpose: int) -> tuple[np.ndarray, np.ndarray]:
    """(taken, left): row numbers, sorted; `share` of each class is taken, at least one photo where the class has two."""
    taken, left = [], []
    for label in np.unique(labels_N):
        rows = generator_of(seed, SPLIT_STREAM, purpose, int(label)).permutation(np.flatnonzero(labels_N == label))
        count = min(max(round(share * len(rows)), 1), len(rows) - 1) if share > 0 else 0
        taken.append(rows[:count])
        left.append(rows[count:])
    return np.sort(np.concatenate(taken)), np.sort(np.concatenate(left))


@dataclass(frozen=True)
class Fractions:
    """One nested draw. rows_of: percent → sorted row numbers of the training photos. counts_of: percent → photos a class."""

    seed: int
    rows_of: dict[float, np.ndarray]
    counts_of: dict[float, np.ndarray]

    def manifest(self, ids: Sequence[str]) -> dict[str, Any]:
        """What a fraction is: photos, photos a class, and a sha256 of its ids, one a line, in the order of the rows."""
        return {
            percent_key(percent): {
                "percent": percent,
                "photos": len(rows),
                "per_class": self.counts_of[percent].tolist(),
                "ids_sha256": hashlib.sha256("\n".join(ids[row] for row in rows).encode()).hexdigest(),
            }
            for percent, rows in self.rows_of.items()
        }

    def first_percents(self, photos: int) -> np.ndarray:
        """(photos,): the smallest fraction that holds each photo, NaN for a photo that is in none."""
        first = np.full(photos, np.nan)
        for percent in sorted(self.rows_of, reverse=True):
            first[self.rows_of[percent]] = percent
        return first


def draw_fractions(labels_N: np.ndarray, classes: int, percents: Sequence[float], seed: int) -> Fractions:
    """Draws nested, stratified fractions of N training photos.

    labels_N: class indices below `classes`. Of a class with n photos a fraction takes round(n · percent / 100), but at least
    one, from the front of the class's own random order: that is what nests them. Raises DatasetError for a class without photos.
    """
    labels_N = np.asarray(labels_N)
    order_of = [
        generator_of(seed, FRACTION_STREAM, label).permutation(np.flatnonzero(labels_N == label))
        for label in range(classes)
    ]
    rows_of, counts_of = {}, {}
    for percent in sorted(percents):
        taken = [rows[: max(1, round(len(rows) * percent / 100))] for rows in order_of]
        rows_of[percent] = np.sort(np.concatenate(taken))
        counts_of[percent] = np.array([len(rows) for rows in taken])
    fractions = Fractions(seed, rows_of, counts_of)
    check_fractions(fractions, classes)
    return fractions


def check_fractions(fractions: Fractions, classes: int) -> None:
    """Raises DatasetError when a class is missing in a fraction, or a fraction does not hold the smaller one."""
    smaller = np.zeros(0, np.int64)
    for percent in sorted(fractions.rows_of):
        counts, rows = fractions.counts_of[percent], fractions.rows_of[percent]
        if len(counts) != classes or (len(counts) and counts.min() < 1):
            raise DatasetError(
                f"{int((counts < 1).sum())} of {classes} classes have no photo in the fraction of {percent:g} %. Give every "
                "class at least one photo to train on, or leave the class out."
            )
        if len(np.setdiff1d(smaller, rows)):
            raise DatasetError(f"The fraction of {percent:g} % lacks photos that a smaller one has. Draw them again.")
        smaller = rows
