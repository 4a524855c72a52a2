"""Scores as rows of `records.SCORES`, as JSON and as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.errors import InputError
from clip_pipeline.evaluation.clip_benchmark_form import write_clip_benchmark_files
from clip_pipeline.evaluation.provenance import Scored, with_provenance
from clip_pipeline.machine.bounded import read_json
from clip_pipeline.records import PROVENANCE_FIELDS, SCORES
from clip_pipeline.settings import EvaluationSettings

SCORES_FILE = "scores.json"
PREDICTIONS_FILE = "predictions.parquet"

ERRORS = frozenset({"ece"})
"""Metrics of which less is better. They have no chance and are drawn apart from the others."""


def score_row(
    task: str,
    dataset: str,
    split: str,
    metric: str,
    value: float,
    interval: tuple[float, float],
    n: int,
    chance: float | None,
    templates: str = "",
    predictions: str = PREDICTIONS_FILE,
    left_out: int = 0,
) -> dict[str, Any]:
    """One score. value and interval: fractions in 0..1. n: samples behind it. chance: what guessing gives.

    templates: name of the set of prompts. predictions: the file in the scores' folder that holds the outcome of every
    sample. left_out: photos that could not be embedded. `write_scores` completes the provenance.
    """
    numbers = {"value": value, "low": interval[0], "high": interval[1], "chance": chance}
    rounded = {name: None if number is None else round(float(number), 6) for name, number in numbers.items()}
    row = {"task": task, "dataset": dataset, "split": split, "templates": templates, "metric": metric, "n": int(n)}
    block = {"predictions": predictions} | ({"photos_left_out": int(left_out)} if left_out else {})
    row |= rounded | {"provenance": block}
    return {name: row[name] for name in SCORES.names}


def write_scores(
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    scored: Scored | str = "",
    settings: EvaluationSettings | None = None,
    template_sets: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Completes the rows' provenance; writes scores.json, our flat list, and CLIP_benchmark's files.

    folder: where the predictions already lie. scored: the model and the dataset with their fingerprints, or the model's
    name alone. Returns the rows as they were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scored = Scored(scored) if isinstance(scored, str) else scored
    complete = with_provenance(rows, folder, scored, settings, template_sets or {})
    write_score_files(complete, folder, scored.model)
    return complete


def write_score_files(rows: Sequence[Mapping[str, Any]], folder: Path, model: str) -> None:
    """Writes complete rows as scores.json, clip_benchmark/*.json and clip_benchmark.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORES_FILE).write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    write_clip_benchmark_files(rows, model, folder)


def write_scores_csv(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """The flat list as CSV, one column a field; the provenance's fields have columns of their own."""
    inner = [field.name for field in PROVENANCE_FIELDS]
    columns = [name for name in SCORES.names if name != "provenance"] + [f"provenance.{name}" for name in inner]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            block = dict(row["provenance"])
            block["libraries"] = " ".join(f"{name}={version}" for name, version in block.get("libraries", {}).items())
            flat = {name: row[name] for name in SCORES.names if name != "provenance"}
            writer.writerow(flat | {f"provenance.{name}": block.get(name) for name in inner})


def read_scores(path: Path) -> list[dict[str, Any]]:
    """The rows of a scores.json. Raises InputError when the file is something else."""
    rows = read_json(Path(path), InputError)
    wanted = set(SCORES.names)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and wanted <= row.keys() for row in rows):
        raise InputError(f"{path} holds no list of scores. Expected rows with {', '.join(SCORES.names)}.")
    return rows
