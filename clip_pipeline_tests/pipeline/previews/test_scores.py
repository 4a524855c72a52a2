"""Scores as the page shows them: names that stay the same, and no more than it can hold."""

from __future__ import annotations

import json

from clip_pipeline.evaluation.comparison.models import Comparison, Difference
from clip_pipeline.pipeline.previews.scores import (
    MAX_ROWS,
    comparison_table,
    score_numbers,
    score_table,
)


def row(metric="top1", dataset="pets", split="test", variant="tiny", task="zero_shot", templates="own", **more):
    numbers = {"value": 0.25, "low": 0.2, "high": 0.3, "n": 100, "chance": 0.1}
    names = {"task": task, "dataset": dataset, "split": split, "templates": templates, "metric": metric}
    return names | numbers | {"provenance": {"model": variant}} | more


def test_the_report_has_one_number_for_each_headline_of_dataset_and_variant():
    rows = [row(variant=variant, metric=metric) for variant in ("tiny", "wide") for metric in ("top1", "top5")]
    assert score_numbers(rows, of_all=True) == {
        "Zero-shot top-1 accuracy, pets test, tiny": 0.25,
        "Zero-shot top-1 accuracy, pets test, wide": 0.25,
    }


def test_a_dataset_more_leaves_the_names_of_the_others_as_they_are():
    before = score_numbers([row()], of_all=True)
    after = score_numbers([row(dataset="birds"), row()], of_all=True)
    assert before.items() <= after.items()


def test_of_one_dataset_every_score_is_a_number_and_prompts_and_seeds_are_told_apart():
    rows = [row(), row("ece"), row(templates="imagenet80"), row("top1", seed=3), row(task="linear_probe")]
    assert list(score_numbers(rows, of_all=False)) == [
        "Top-1 accuracy, test",
        "Calibration error, test",
        "Top-1 accuracy, test, imagenet80 prompts",
        "Top-1 accuracy, test, seed 3",
        "Linear probe top-1 accuracy, test",
    ]


def test_however_many_scores_there_are_rows_stay_bounded_and_say_how_many_more():
    rows = [row(dataset=f"set{number}") for number in range(500)]
    _, table = score_table(rows, of_all=False)
    assert len(table) == MAX_ROWS + 1 and table[-1][0] == "300 more in scores.json"


def test_a_score_stands_with_its_interval_and_chance_in_one_piece():
    columns, table = score_table([row(), row(variant="wide", low=0.05)], of_all=True)
    assert columns == ("Variant", "Score of", "Metric", "Score", "Chance")
    assert table == [
        ("tiny", "zero-shot, pets test", "top-1 accuracy", "25.0\u00a0% (20.0\u2060–\u206030.0)", "10.0\u00a0%"),
        ("wide", "zero-shot, pets test", "top-1 accuracy", "25.0\u00a0% (5.0\u2060–\u206030.0)", "10.0\u00a0%, may be chance"),
    ]  # fmt: skip


def test_variants_are_compared_with_the_difference_its_interval_and_the_verdict(tmp_path):
    def difference(metric, value, p_corrected, less_is_better=False):
        return Difference(
            *(
                "zero-shot, pets test",
                metric,
                0.5 + value,
                0.5,
                value,
                value - 0.02,
                value + 0.02,
                100,
                "mcnemar",
                0.01,
            ),
            *(p_corrected, None, None, less_is_better),
        )

    made = [difference("top1", 0.1, 0.004), difference("top5", 0.1, 0.2), difference("ece", 0.1, 0.004, True)]
    comparison = Comparison(("wide", "tiny"), made, [])
    (tmp_path / "comparison.json").write_text(json.dumps({"comparisons": [comparison.as_json()]}))
    _, rows = comparison_table(tmp_path / "comparison.json")
    assert rows[0] == (
        "wide against tiny", "zero-shot, pets test, top-1 accuracy", "+10.0 (+8.0\u2060–\u2060+12.0)", "0.004", "better",
    )  # fmt: skip
    assert [row[-1] for row in rows] == ["better", "may be chance", "worse"]
