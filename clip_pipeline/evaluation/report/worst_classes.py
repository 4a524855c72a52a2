"""The classes that a model is worst at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clip_pipeline.evaluation.statistics.bootstrap import wilson_interval

SHOWN = 8


@dataclass(frozen=True)
class WorstClass:
    """A class: how many of its photos were named rightly, the 95 % interval of that share (Wilson's), and what it was taken for
    most often ("" where nothing was wrong), how many times."""

    name: str
    right: int
    photos: int
    low: float
    high: float
    taken_for: str
    times: int

    @property
    def recall(self) -> float:
        """Share of its photos that were named rightly."""
        return self.right / self.photos


def find_worst_classes(predictions: Sequence[dict[str, Any]], count: int = SHOWN) -> list[WorstClass]:
    """The classes whose recall is surely lowest: in the order of the upper ends of their intervals, so that a class of three photos
    does not come first by bad luck; then by name. predictions: rows of predictions.parquet."""
    photos = Counter(row["label_name"] for row in predictions)
    right = Counter(row["label_name"] for row in predictions if row["correct"])
    wrong: dict[str, Counter[str]] = {}
    for row in predictions:
        if not row["correct"]:
            wrong.setdefault(row["label_name"], Counter())[row["predicted_name"]] += 1
    found = []
    for name, total in photos.items():
        called = sorted(wrong.get(name, Counter()).items(), key=lambda item: (-item[1], item[0]))
        taken_for, times = called[0] if called else ("", 0)
        found.append(
            WorstClass(name, right[name], total, *wilson_interval(right[name] / total, total), taken_for, times)
        )
    return sorted(found, key=lambda one: (one.high, one.name))[:count]
