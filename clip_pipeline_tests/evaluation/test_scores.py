from __future__ import annotations

import csv
import json

import pytest

from clip_pipeline.errors import InputError
from clip_pipeline.evaluation.scores import (
    in_clip_benchmark_form,
    read_scores,
    score_row,
    write_scores,
    write_scores_csv,
)
from clip_pipeline.records import SCORES

ROWS = [
    score_row("zero_shot", "pets", "test", "top1", 0.5, (0.4, 0.6), 200, 0.1),
    score_row("zero_shot", "pets", "test", "top1_among_all", 0.3, (0.2, 0.4), 200, 0.05),
    score_row("linear_probe", "pets", "test", "top1", 0.7, (0.6, 0.8), 100, 0.05),
    score_row("retrieval", "photos", "test", "text_to_image_recall@5", 0.25, (0.2, 0.3), 500, 0.01),
    score_row("retrieval", "photos", "test", "image_to_text_recall@5", 0.26, (0.2, 0.3), 100, 0.01),
]


def test_a_row_has_the_columns_of_the_schema_in_order():
    assert list(ROWS[0]) == SCORES.names
    assert ROWS[0] == {
        "task": "zero_shot", "dataset": "pets", "split": "test", "metric": "top1",
        "value": 0.5, "low": 0.4, "high": 0.6, "n": 200, "chance": 0.1,
    }  # fmt: skip


def test_what_was_written_is_read(tmp_path):
    write_scores(ROWS, tmp_path, "tiny")
    assert read_scores(tmp_path / "scores.json") == ROWS


def test_clip_benchmark_names_what_it_knows_and_leaves_out_the_rest():
    entries = in_clip_benchmark_form(ROWS, "tiny")
    assert [(entry["task"], entry["metrics"]) for entry in entries] == [
        ("zeroshot_classification", {"acc1": 0.5}),
        ("linear_probe", {"lp_acc1": 0.7}),
        ("zeroshot_retrieval", {"image_retrieval_recall@5": 0.25, "text_retrieval_recall@5": 0.26}),
    ]
    assert {"dataset", "model", "pretrained", "task", "metrics", "language"} <= entries[0].keys()


def test_the_csv_holds_the_same_numbers(tmp_path):
    write_scores_csv(ROWS, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["value"]) for row in rows] == [row["value"] for row in ROWS]
    assert list(rows[0]) == SCORES.names


@pytest.mark.parametrize("content", ["nothing", "{}", json.dumps([{"metric": "top1"}])])
def test_a_file_that_holds_no_scores_is_told(tmp_path, content):
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError, match=r"scores.json"):
        read_scores(tmp_path / "scores.json")
