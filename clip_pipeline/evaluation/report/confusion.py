"""Which classes are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_MATRIX = 40
"""Classes that a matrix can show and still be read."""


def confusion_matrix(predictions: Sequence[dict[str, Any]]) -> tuple[list[str], np.ndarray, int]:
    """(names, matrix_CC, classes): share of the photos of row's class that were called the column's class.

    Classes are in the order of their index. Where there are more than 40, those with the most confusions are shown;
    `classes` is how many there are in all. A photo called a class that is not shown leaves its row's sum below 1.
    """
    names = {row["label"]: row["label_name"] for row in predictions}
    shown = sorted(names)
    if len(shown) > MAX_MATRIX:
        wrong: Counter[int] = Counter()
        for row in predictions:
            if not row["correct"]:
                wrong.update((row["label"], row["predicted"]))
        shown = sorted(sorted(names, key=lambda c: (-wrong[c], c))[:MAX_MATRIX])
    place = {c: i for i, c in enumerate(shown)}
    counts_CC = np.zeros((len(shown), len(shown)))
    totals_C = np.zeros(len(shown))
    for row in predictions:
        if row["label"] in place:
            totals_C[place[row["label"]]] += 1
            if row["predicted"] in place:
                counts_CC[place[row["label"]], place[row["predicted"]]] += 1
    return [names[c] for c in shown], counts_CC / np.maximum(totals_C, 1)[:, None], len(names)


def commonest_confusions(predictions: Sequence[dict[str, Any]], count: int = 8) -> list[tuple[str, str, int, int]]:
    """(class, called, times, photos of that class), the commonest first, then by name."""
    totals = Counter(row["label_name"] for row in predictions)
    pairs = Counter((row["label_name"], row["predicted_name"]) for row in predictions if not row["correct"])
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:count]
    return [(label, called, times, totals[label]) for (label, called), times in ordered]
