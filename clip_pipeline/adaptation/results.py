"""Cells put together: the learning curve with its intervals, the table, and whether accuracy falls as data grow.

scores.json     rows of records.SCORES with method, percent and seed: one a cell and metric
table.csv       one row a method and fraction: accuracy, interval, out of domain, numbers learnt, steps, seconds
per_class.csv   accuracy of each class by method and fraction
curve.png, cost.png, losses.png, alphas.png
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from clip_pipeline.adaptation.cells import CELL_FILE, LOG_FILE, TIMING_FILE
from clip_pipeline.adaptation.data import OUT_OF_DOMAIN
from clip_pipeline.adaptation.methods import METHODS
from clip_pipeline.errors import MissingArtifactError, ShapeError
from clip_pipeline.evaluation.intervals import interval, resampled_sums
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE, SCORES_FILE

TABLE_FILE, CLASSES_FILE, FALLS_FILE = "table.csv", "per_class.csv", "falls.json"


@dataclass(frozen=True)
class Point:
    """One method at one fraction, all its seeds. hits_SN: whether each test photo was called right, a row a seed.

    about, timings: of the cells. top1, low, high: the mean over seeds and its 95 % interval over seeds and photos.
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


def read_points(cells: Iterable[Path], samples: int) -> list[Point]:
    """Points of finished cells, in the order of METHODS and by fraction. samples: of the bootstrap.

    Raises ShapeError where cells were tested on different photos, MissingArtifactError where there is no cell.
    """
    found: dict[tuple[str, float], list[Path]] = {}
    for path in cells:
        about = json.loads((path / CELL_FILE).read_text(encoding="utf-8"))
        found.setdefault((about["method"], about["percent"]), []).append(path)
    if not found:
        raise MissingArtifactError("No cell of the adaptation is finished. Run it again.")
    order = sorted(found, key=lambda key: (list(METHODS).index(key[0]), key[1]))
    ids: list[str] = []
    points = []
    for key in order:
        tables = [pq.read_table(path / PREDICTIONS_FILE) for path in found[key]]
        for table in tables:
            ids = ids or table["id"].to_pylist()
            if table["id"].to_pylist() != ids:
                raise ShapeError(
                    f"The cells of {key[0]} at {key[1]:g} % were tested on other photos than the rest. Run them again."
                )
        labels_N = tables[0]["label"].to_numpy()
        hits_SN = np.stack([table["predicted"].to_numpy() == table["label"].to_numpy() for table in tables])
        low, high = interval(resampled_means(hits_SN, samples))
        about_all = [json.loads((path / CELL_FILE).read_text(encoding="utf-8")) for path in found[key]]
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


def write_results(cells: Iterable[Path], folder: Path, samples: int) -> dict[str, Any]:
    """Writes tables and pictures of finished cells into `folder`; returns facts: cells, the best of each method, falls."""
    from clip_pipeline.adaptation import figures

    points = read_points(cells, samples)
    folder.mkdir(parents=True, exist_ok=True)
    scores = [row for point in points for about in point.about for row in about["scores"]]
    (folder / SCORES_FILE).write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    rows = [point.row() for point in points]
    _write_csv(rows, folder / TABLE_FILE)
    _write_per_class(points, folder / CLASSES_FILE)
    found = falls(points, samples)
    (folder / FALLS_FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    names = {
        split: next((r["dataset"] for r in points[0].about[0]["scores"] if r["split"] == split), "")
        for split in ("test", OUT_OF_DOMAIN)
    }
    figures.draw_curves(points, names["test"], names[OUT_OF_DOMAIN], folder / "curve.png")
    figures.draw_costs(rows, folder / "cost.png")
    if any(log for point in points for log in point.logs):
        figures.draw_losses(points, folder / "losses.png")
    if any("alphas" in about["facts"] for point in points for about in point.about):
        figures.draw_alphas(points, folder / "alphas.png")
    best = {row["method"]: row["top1"] for row in rows if row["percent"] == max(one["percent"] for one in rows)}
    return {"cells": sum(len(point.about) for point in points), "top1 with all photos": best, "falls": len(found)}


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for a terminal: one line a method and fraction."""
    header = ("method", "%", "photos", "top-1", "95 % interval", "out of domain", "numbers learnt", "processor s")
    lines = [header]
    for row in rows:
        far = row["out_of_domain_top1"]
        lines.append(
            (
                *(row["method"], f"{row['percent']:g}", f"{row['photos']:,}", f"{100 * row['top1']:.1f} %"),
                f"{100 * row['low']:.1f} – {100 * row['high']:.1f}",
                *("" if far is None else f"{100 * far:.1f} %", f"{row['learnt']:,}", f"{row['processor_seconds']:.1f}"),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if not column else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _read_log(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


def _write_per_class(points: Sequence[Point], path: Path) -> None:
    rows = []
    for point in points:
        hit_N = point.hits_SN.mean(axis=0)
        for label in np.unique(point.labels_N):
            chosen = point.labels_N == label
            accuracy = round(float(hit_N[chosen].mean()), 6)
            rows.append(
                {
                    "method": point.method,
                    "percent": point.percent,
                    "class": int(label),
                    "n": int(chosen.sum()),
                    "top1": accuracy,
                }
            )
    _write_csv(rows, path)


def _write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
