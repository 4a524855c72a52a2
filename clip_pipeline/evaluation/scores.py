"""Scores as rows of `records.SCORES`, and in the form that CLIP_benchmark writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.errors import InputError
from clip_pipeline.records import SCORES

SCORES_FILE, BENCHMARK_FILE = "scores.json", "clip_benchmark.json"

CLIP_BENCHMARK_TASKS = {
    "zero_shot": "zeroshot_classification",
    "retrieval": "zeroshot_retrieval",
    "linear_probe": "linear_probe",
}


def score_row(
    task: str,
    dataset: str,
    split: str,
    metric: str,
    value: float,
    interval: tuple[float, float],
    n: int,
    chance: float,
) -> dict[str, Any]:
    """One score. value and interval: fractions in 0..1. n: samples behind it. chance: what guessing gives."""
    numbers = {"value": value, "low": interval[0], "high": interval[1], "chance": chance}
    rounded = {name: round(float(number), 6) for name, number in numbers.items()}
    row = {"task": task, "dataset": dataset, "split": split, "metric": metric, **rounded, "n": int(n)}
    return {name: row[name] for name in SCORES.names}


def write_scores(rows: Sequence[dict[str, Any]], folder: Path, model: str) -> None:
    """Writes scores.json, our flat list, and clip_benchmark.json, one entry per task and split."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORES_FILE).write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    (folder / BENCHMARK_FILE).write_text(json.dumps(in_clip_benchmark_form(rows, model), indent=1) + "\n", "utf-8")


def write_scores_csv(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """The flat list as CSV, one column a field."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, SCORES.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_scores(path: Path) -> list[dict[str, Any]]:
    """The rows of a scores.json. Raises InputError when the file is something else."""
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as scores: {error}.") from error
    wanted = set(SCORES.names)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and wanted <= row.keys() for row in rows):
        raise InputError(f"{path} holds no list of scores. Expected rows with {', '.join(SCORES.names)}.")
    return rows


def in_clip_benchmark_form(rows: Iterable[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """CLIP_benchmark's results (acc1, image_retrieval_recall@5, ...): what its own tools read. It has no intervals.

    Its `image_retrieval` finds images for a text, our text_to_image; its `text_retrieval` finds texts for an image.
    """
    entries: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        name = _clip_benchmark_metric(row["metric"])
        if row["task"] == "linear_probe":
            name = {"acc1": "lp_acc1", "acc5": "lp_acc5"}.get(name, "")
        if name and row["task"] in CLIP_BENCHMARK_TASKS:
            entries.setdefault((row["task"], row["dataset"], row["split"]), {})[name] = row["value"]
    return [
        {
            "dataset": dataset,
            "split": split,
            "model": model,
            "pretrained": "clip_pipeline",
            "task": CLIP_BENCHMARK_TASKS[task],
            "metrics": metrics,
            "language": "en",
        }
        for (task, dataset, split), metrics in entries.items()
    ]


def _clip_benchmark_metric(metric: str) -> str:
    """The metric's name there, "" for one that it does not have."""
    fixed = {"top1": "acc1", "top5": "acc5", "mean_per_class_recall": "mean_per_class_recall"}
    for ours, theirs in (("text_to_image_", "image_retrieval_"), ("image_to_text_", "text_retrieval_")):
        if metric.startswith(ours):
            return theirs + metric.removeprefix(ours)
    return fixed.get(metric, "")
