"""Points of the learning curves: the trials of one method and fraction together, and whether accuracy falls as data grow."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from clip_pipeline.adaptation.data import OUT_OF_DOMAIN
from clip_pipeline.adaptation.methods import METHODS
from clip_pipeline.adaptation.trials import LOG_FILE, TIMING_FILE, TRIAL_FILE
from clip_pipeline.errors import MissingArtifactError, ShapeError
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE
from clip_pipeline.evaluation.statistics.bootstrap import interval, resampled_sums


@dataclass(frozen=True)
class Point:
    """One method at one fraction, all its seeds. hits_SN: whether each test photo was called right, a row a seed.

    about, timings: of the trials. top1, low, high: the mean over seeds and its 95 % interval over seeds and photos.
    """

    method: str
    percent: float
    hits_SN: np.ndarray
    labels_N: np.ndarray
    about: list[dict[str, Any]]
    timings: list[dict[str, float]]
    logs: list[list[dict[str, float]]]
    top1: float
    low: float
    high: float

    def row(self) -> dict[str, Any]:
        """The line of the table."""
        far = [row["value"] for one in self.about for row in one["scores"] if row["split"] == OUT_OF_DOMAIN]
        recalls = [
            row["value"] for one in self.about for row in one["scores"] if row["metric"] == "mean_per_class_recall"
        ]
        return {
            "method": self.method,
            "percent": self.percent,
            "photos": self.about[0]["photos"],
            "seeds": len(self.about),
            "top1": round(self.top1, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "mean_per_class_recall": round(float(np.mean(recalls)), 6),
            "out_of_domain_top1": round(float(np.mean(far)), 6) if far else None,
            "learnt": self.about[0]["facts"]["learnt"],
            "steps": round(float(np.mean([one["facts"].get("steps", 0) for one in self.about])), 1),
            "processor_seconds": round(float(np.mean([one["processor_seconds"] for one in self.timings])), 2),
            "seconds": round(float(np.mean([one["seconds"] for one in self.timings])), 2),
        }


def read_points(trials: Iterable[Path], samples: int) -> list[Point]:
    """Points of finished trials, in the order of METHODS and by fraction. samples: of the bootstrap.

    Raises ShapeError where trials were tested on different photos, MissingArtifactError where there is no trial.
    """
    found: dict[tuple[str, float], list[Path]] = {}
    for path in trials:
        about = json.loads((path / TRIAL_FILE).read_text(encoding="utf-8"))
        found.setdefault((about["method"], about["percent"]), []).append(path)
    if not found:
        raise MissingArtifactError("No trial of the adaptation is finished. Run it again.")
    order = sorted(found, key=lambda key: (list(METHODS).index(key[0]), key[1]))
    ids: list[str] = []
    points = []
    for key in order:
        tables = [pq.read_table(path / PREDICTIONS_FILE) for path in found[key]]
        for table in tables:
            ids = ids or table["id"].to_pylist()
            if table["id"].to_pylist() != ids:
                raise ShapeError(
                    f"The trials of {key[0]} at {key[1]:g} % were tested on other photos than the rest. Run them again."
                )
        labels_N = tables[0]["label"].to_numpy()
        hits_SN = np.stack([table["predicted"].to_numpy() == table["label"].to_numpy() for table in tables])
        low, high = interval(resampled_means(hits_SN, samples))
        about_all = [json.loads((path / TRIAL_FILE).read_text(encoding="utf-8")) for path in found[key]]
        timings = [json.loads((path / TIMING_FILE).read_text(encoding="utf-8")) for path in found[key]]
        logs = [_read_log(path / LOG_FILE) for path in found[key]]
        points.append(Point(*key, hits_SN, labels_N, about_all, timings, logs, float(hits_SN.mean()), low, high))
    return points


def resampled_means(values_SN: np.ndarray, samples: int) -> np.ndarray:
    """(samples,) means of resamples in which seeds and photos are both drawn with replacement: another test, another run."""
    values_SN = np.asarray(values_SN, np.float64)
    sums_BS = resampled_sums(values_SN.T, samples, seed=0)
    seeds = len(values_SN)
    drawn_BS = np.random.Generator(np.random.PCG64(1)).integers(0, seeds, (samples, seeds))
    return np.take_along_axis(sums_BS, drawn_BS, axis=1).mean(axis=1) / values_SN.shape[1]


def falls(points: Sequence[Point], samples: int) -> list[dict[str, Any]]:
    """Where a method is worse with more of the nested data, beyond the interval of the difference.

    The photos are compared in pairs, and each seed with itself: its larger draw holds the smaller.
    """
    found = []
    for method in dict.fromkeys(point.method for point in points):
        of_method = [point for point in points if point.method == method]
        for i, fewer in enumerate(of_method):
            for more in of_method[i + 1 :]:
                seeds = min(len(fewer.hits_SN), len(more.hits_SN))
                change_SN = more.hits_SN[:seeds].astype(float) - fewer.hits_SN[:seeds]
                low, high = interval(resampled_means(change_SN, samples))
                if high < 0:
                    numbers = {"change": change_SN.mean(), "low": low, "high": high}
                    rounded = {name: round(float(value), 6) for name, value in numbers.items()}
                    found.append({"method": method, "from": fewer.percent, "to": more.percent, **rounded})
    return found


def _read_log(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
