"""Scores in the form that CLIP_benchmark writes, one JSON file a task, dataset and split, and in that of its `build`, a CSV.

Its own `clip_benchmark build FOLDER` reads the JSON files. It has no intervals, counts or hashes: those are in scores.json.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BENCHMARK_FOLDER, BENCHMARK_CSV = "clip_benchmark", "clip_benchmark.csv"

TASKS = {
    "zero_shot": "zeroshot_classification",
    "retrieval": "zeroshot_retrieval",
    "linear_probe": "linear_probe",
}
DESCRIBED = ("dataset", "split", "templates", "model", "pretrained", "model_fullname", "task", "language")


def in_clip_benchmark_form(rows: Iterable[Mapping[str, Any]], model: str) -> list[dict[str, Any]]:
    """CLIP_benchmark's results (acc1, image_retrieval_recall@5, ...), one a task, dataset, split and set of templates.

    model: what it is called where a row does not say it. Its `image_retrieval` finds images for a text, our text_to_image; its `text_retrieval` finds texts for an image.
    """
    entries: dict[tuple[str, str, str, str, str], dict[str, float]] = {}
    for row in rows:
        name = _metric_there(row["metric"])
        if row["task"] == "linear_probe":
            name = {"acc1": "lp_acc1", "acc5": "lp_acc5"}.get(name, "")
        if name and row["task"] in TASKS:
            of_model = row["provenance"].get("model") or model
            key = (row["task"], row["dataset"], row["split"], row["templates"], of_model)
            entries.setdefault(key, {})[name] = row["value"]
    return [
        {
            "dataset": dataset,
            "split": split,
            "templates": templates,
            "model": of_model,
            "pretrained": "clip_pipeline",
            "task": TASKS[task],
            "metrics": metrics,
            "language": "en",
        }
        for (task, dataset, split, templates, of_model), metrics in entries.items()
    ]


def _metric_there(metric: str) -> str:
    """The metric's name there, "" for one that it does not have."""
    fixed = {"top1": "acc1", "top5": "acc5", "mean_per_class_recall": "mean_per_class_recall"}
    for ours, theirs in (("text_to_image_", "image_retrieval_"), ("image_to_text_", "text_retrieval_")):
        if metric.startswith(ours):
            return theirs + metric.removeprefix(ours)
    return fixed.get(metric, "")


def write_clip_benchmark_files(rows: Iterable[Mapping[str, Any]], model: str, folder: Path) -> None:
    """Writes clip_benchmark/*.json and clip_benchmark.csv into `folder`."""
    entries = in_clip_benchmark_form(rows, model)
    (folder / BENCHMARK_FOLDER).mkdir(parents=True, exist_ok=True)
    for entry in entries:
        path = folder / BENCHMARK_FOLDER / f"{_file_name(entry)}.json"
        path.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
    metrics = sorted({name for entry in entries for name in entry["metrics"]})
    with (folder / BENCHMARK_CSV).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, (*DESCRIBED, *metrics), lineterminator="\n")
        writer.writeheader()
        for entry in entries:
            flat = {name: value for name, value in entry.items() if name != "metrics"} | entry["metrics"]
            writer.writerow(flat | {"model_fullname": f"{entry['model']} {entry['pretrained']}"})


def _file_name(entry: Mapping[str, Any]) -> str:
    """Its own pattern is {dataset}_{pretrained}_{model}_{language}_{task}; split and templates keep ours apart."""
    parts = [entry[name] for name in ("dataset", "split", "templates", "pretrained", "model", "language", "task")]
    return "_".join("".join(c if c.isalnum() or c in "-." else "_" for c in part) for part in parts if part)
