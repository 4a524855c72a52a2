"""Trials put together: the learning curve with its intervals, the table, and whether accuracy falls as data grow.

scores.json     rows of records.SCORES with method, percent and seed: one a trial and metric
table.csv       one row a method and fraction: accuracy, interval, out of domain, numbers learnt, steps, seconds
per_class.csv   accuracy of each class by method and fraction
curve.png, cost.png, losses.png, alphas.png
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.adaptation import figures
from clip_pipeline.adaptation.data import OUT_OF_DOMAIN
from clip_pipeline.adaptation.learning_curve import Point, falls, read_points
from clip_pipeline.display.text_table import text_table
from clip_pipeline.evaluation.scores import SCORES_FILE

TABLE_FILE, CLASSES_FILE, FALLS_FILE = "table.csv", "per_class.csv", "falls.json"


def write_results(trials: Iterable[Path], folder: Path, samples: int) -> dict[str, Any]:
    """Writes tables and images of finished trials into `folder`; returns facts: trials, the best of each method, falls."""
    points = read_points(trials, samples)
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
    return {"trials": sum(len(point.about) for point in points), "top1 with all photos": best, "falls": len(found)}


def read_table(folder: Path) -> list[dict[str, Any]]:
    """The rows of table.csv, numbers as numbers."""
    with (folder / TABLE_FILE).open(encoding="utf-8", newline="") as stream:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(stream)]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


TABLE_HEADER = ("method", "%", "photos", "top-1", "95 % interval", "out of domain", "numbers learnt", "processor s")


def table_cells(rows: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The table's trials as text, one line a method and fraction."""
    trials: list[tuple[str, ...]] = []
    for row in rows:
        far = row["out_of_domain_top1"]
        trials.append(
            (
                *(row["method"], f"{row['percent']:g}", f"{row['photos']:,}", f"{100 * row['top1']:.1f} %"),
                f"{100 * row['low']:.1f} – {100 * row['high']:.1f}",
                *("" if far is None else f"{100 * far:.1f} %", f"{row['learnt']:,}", f"{row['processor_seconds']:.1f}"),
            )
        )
    return trials


def table_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table for a terminal."""
    return text_table(table_cells(rows), TABLE_HEADER, right=range(1, len(TABLE_HEADER)))


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
