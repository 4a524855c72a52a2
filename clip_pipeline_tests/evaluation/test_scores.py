from __future__ import annotations

import csv
import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest

from clip_pipeline.errors import InputError
from clip_pipeline.evaluation.clip_benchmark_form import in_clip_benchmark_form
from clip_pipeline.evaluation.provenance import Scored, missing_provenance
from clip_pipeline.evaluation.scores import (
    read_scores,
    score_row,
    write_scores,
    write_scores_csv,
)
from clip_pipeline.records import SCORES
from clip_pipeline.settings import EvaluationSettings

ROWS = [
    score_row("zero_shot", "pets", "test", "top1", 0.5, (0.4, 0.6), 200, 0.1),
    score_row("zero_shot", "pets", "test", "top1_all_classes", 0.3, (0.2, 0.4), 200, 0.05),
    score_row("linear_probe", "pets", "test", "top1", 0.7, (0.6, 0.8), 100, 0.05),
    score_row("retrieval", "photos", "test", "text_to_image_recall@5", 0.25, (0.2, 0.3), 500, 0.01),
    score_row("retrieval", "photos", "test", "image_to_text_recall@5", 0.26, (0.2, 0.3), 100, 0.01),
]


def test_a_row_has_the_columns_of_the_schema_in_order():
    assert list(ROWS[0]) == SCORES.names
    assert ROWS[0] == {
        "task": "zero_shot", "dataset": "pets", "split": "test", "templates": "", "metric": "top1",
        "value": 0.5, "low": 0.4, "high": 0.6, "n": 200, "chance": 0.1, "provenance": {"predictions": "predictions.parquet"},
    }  # fmt: skip


def test_what_was_written_is_read(tmp_path):
    rows = write_scores(ROWS, tmp_path, "tiny")
    assert read_scores(tmp_path / "scores.json") == rows
    assert [{**row, "provenance": 0} for row in rows] == [{**row, "provenance": 0} for row in ROWS]


def test_every_row_says_what_it_was_made_of(tmp_path):
    (tmp_path / "predictions.parquet").write_bytes(b"outcomes")
    settings = EvaluationSettings(seed=7, bootstrap_samples=300)
    rows = [score_row("zero_shot", "pets", "test", "top1", 0.5, (0.4, 0.6), 200, 0.1, "own"), ROWS[2]]
    zero_shot, probe = write_scores(rows, tmp_path, Scored("tiny", "a" * 64, "b" * 64), settings, {"own": ["a {c}"]})
    block = zero_shot["provenance"]
    assert (block["model"], block["model_sha256"], block["dataset_sha256"]) == ("tiny", "a" * 64, "b" * 64)
    assert (block["seed"], block["bootstrap_samples"], block["shuffled_labels"]) == (7, 300, False)
    assert block["templates_sha256"] == hashlib.sha256(b'["a {c}"]').hexdigest()
    assert block["predictions_sha256"] == hashlib.sha256(b"outcomes").hexdigest()
    assert block["libraries"]["numpy"] == np.__version__
    assert "clip_pipeline" in block["libraries"]
    assert (probe["provenance"]["templates_sha256"], probe["provenance"]["template_count"]) == ("", 0)
    assert missing_provenance(zero_shot) == []
    (nameless,) = write_scores(ROWS[:1], tmp_path / "elsewhere")
    assert missing_provenance(nameless) == [
        "model", "model_sha256", "dataset_sha256", "seed", "bootstrap_samples", "predictions_sha256",
    ]  # fmt: skip


def test_rows_fit_the_schema(tmp_path):
    rows = write_scores([*ROWS, score_row("zero_shot", "pets", "test", "ece", 0.1, (0.0, 0.2), 200, None)], tmp_path)
    for row in rows:
        row["provenance"]["libraries"] = list(row["provenance"]["libraries"].items())
    table = pa.Table.from_pylist(rows, SCORES)
    assert table["provenance"].to_pylist()[0]["predictions"] == "predictions.parquet"
    assert table["chance"].to_pylist()[-1] is None


def test_clip_benchmark_names_what_it_knows_and_leaves_out_the_rest():
    entries = in_clip_benchmark_form(ROWS, "tiny")
    assert [(entry["task"], entry["metrics"]) for entry in entries] == [
        ("zeroshot_classification", {"acc1": 0.5}),
        ("linear_probe", {"lp_acc1": 0.7}),
        ("zeroshot_retrieval", {"image_retrieval_recall@5": 0.25, "text_retrieval_recall@5": 0.26}),
    ]
    assert {"dataset", "model", "pretrained", "task", "metrics", "language"} <= entries[0].keys()


def test_one_file_an_entry_and_a_csv_are_written_as_clip_benchmark_does(tmp_path):
    write_scores(ROWS, tmp_path, "tiny/model")
    files = sorted(path.name for path in (tmp_path / "clip_benchmark").iterdir())
    assert files == [
        "pets_test_clip_pipeline_tiny_model_en_linear_probe.json",
        "pets_test_clip_pipeline_tiny_model_en_zeroshot_classification.json",
        "photos_test_clip_pipeline_tiny_model_en_zeroshot_retrieval.json",
    ]
    entry = json.loads((tmp_path / "clip_benchmark" / files[1]).read_text())
    assert (entry["dataset"], entry["task"], entry["metrics"]) == ("pets", "zeroshot_classification", {"acc1": 0.5})
    with (tmp_path / "clip_benchmark.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["model_fullname"] for line in lines] == ["tiny/model clip_pipeline"] * 3
    assert [(line["acc1"], line["lp_acc1"]) for line in lines] == [("0.5", ""), ("", "0.7"), ("", "")]


def test_the_csv_holds_the_same_numbers(tmp_path):
    rows = write_scores(ROWS, tmp_path, Scored("tiny"))
    write_scores_csv(rows, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["value"]) for row in rows] == [row["value"] for row in ROWS]
    assert [name for name in rows[0] if not name.startswith("provenance.")] == SCORES.names[:-1]
    assert rows[0]["provenance.model"] == "tiny"
    assert f"numpy={np.__version__}" in rows[0]["provenance.libraries"].split()


@pytest.mark.parametrize("content", ["nothing", "{}", json.dumps([{"metric": "top1"}])])
def test_a_file_that_holds_no_scores_is_told(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError, match=r"scores.json"):
        read_scores(tmp_path / "scores.json")
