from __future__ import annotations

from clip_pipeline.evaluation.report.terminal_table import glance, group_name, mark, metric_name, percent, scoreboard
from clip_pipeline.evaluation.scores import score_row


def test_the_scoreboard_shows_score_interval_chance_and_samples():
    rows = [
        score_row("zero_shot", "sandbox", "unseen", "top1", 0.713, (0.689, 0.735), 1500, 1 / 36),
        score_row("zero_shot", "sandbox", "unseen", "mean_per_class_recall", 0.7, (0.6, 0.8), 1500, 1 / 36),
        score_row("retrieval", "held_out", "test", "text_to_image_recall@1", 0.482, (0.46, 0.5), 1400, 1 / 700),
    ]
    assert scoreboard(rows).splitlines() == [
        "                           metric                  score  95 % interval  chance      n",
        "─────────────────────────  ─────────────────────  ──────  ─────────────  ──────  ─────",
        "zero-shot, sandbox unseen  top-1 accuracy         71.3 %    68.9 – 73.5   2.8 %  1,500",
        "retrieval, held_out test   text → image recall@1  48.2 %    46.0 – 50.0  0.14 %  1,400",
    ]


def test_a_group_is_named_once():
    rows = [score_row("zero_shot", "a", "test", name, 0.5, (0.4, 0.6), 10, 0.1) for name in ("top1", "top5")]
    assert scoreboard(rows).count("zero-shot, a test") == 1


def test_without_scores_it_says_so():
    assert scoreboard([]) == "No scores."


def test_names_and_numbers_read_well():
    assert metric_name("image_to_text_recall@10") == "image → text recall@10"
    assert metric_name("top1_4_shot") == "top-1, 4 a class"
    assert [percent(x) for x in (0, 0.00139, 0.0278, 1)] == ["0.0 %", "0.14 %", "2.8 %", "100.0 %"]


def test_a_score_that_may_be_chance_is_marked_and_an_error_is_not():
    poor = score_row("zero_shot", "a", "test", "top1", 0.11, (0.08, 0.14), 500, 0.1)
    good = score_row("zero_shot", "a", "test", "top5", 0.7, (0.6, 0.8), 500, 0.5)
    error = score_row("zero_shot", "a", "test", "ece", 0.01, (0.0, 0.02), 500, None)
    assert [mark(row) for row in (poor, good, error)] == ["may be chance", "", ""]
    lines = scoreboard([poor, good]).splitlines()
    assert lines[2].endswith("10.0 %  500  may be chance")
    assert lines[3].endswith("50.0 %  500")


def test_prompts_other_than_the_datasets_own_are_named():
    row = score_row("zero_shot", "a", "test", "top1", 0.5, (0.4, 0.6), 500, 0.1, "imagenet80")
    assert group_name(row) == "zero-shot, a test, imagenet80 prompts"
    assert group_name({**row, "templates": "own"}) == "zero-shot, a test"


def sandbox_scores() -> list[dict]:
    """The rows of the sandbox's report, by task, split and metric; all values are 0.5."""
    recalls = [f"{way}_recall@{k}" for way in ("image_to_text", "text_to_image") for k in (1, 5, 10)]
    rows = []
    for split in ("seen", "unseen"):
        of_split = {
            "zero_shot": ["top1", "top5", "mean_per_class_recall", "top1_all_classes", "ece"],
            "linear_probe": ["top1", "top5", "top1_on_training"],
            "mlp_probe": ["top1", "top1_on_training"],
            "few_shot_probe": ["top1_1_shot", "top1_4_shot"],
        }
        for task, metrics in of_split.items():
            prompts = "own" if task == "zero_shot" else ""
            rows += [score_row(task, "sandbox", split, one, 0.5, (0.4, 0.6), 10, 0.1, prompts) for one in metrics]
    rows += [score_row("retrieval", "held_out", "test", one, 0.5, (0.4, 0.6), 10, 0.1) for one in recalls]
    rows += [score_row("zero_shot", "sandbox", "unseen", "top1", 0.9, (0.8, 1), 10, 0.1, "imagenet80")]
    return rows


def test_at_a_glance_twelve_lines_say_how_good_a_model_is():
    adapted = score_row("adaptation", "sandbox", "test, full", "top1", 0.5, (0.4, 0.6), 10, 0.1)
    lines = glance([adapted, *sandbox_scores()]).splitlines()[2:]
    assert [line[:58].rstrip() for line in lines] == [
        "zero-shot, sandbox seen         top-1 accuracy",
        "                                top-1, all classes as cand",
        "zero-shot, sandbox unseen       top-1 accuracy",
        "                                top-1, all classes as cand",
        "retrieval, held_out test        image → text recall@1",
        "                                image → text recall@10",
        "                                text → image recall@1",
        "                                text → image recall@10",
        "linear probe, sandbox seen      top-1 accuracy",
        "linear probe, sandbox unseen    top-1 accuracy",
        "few-shot probe, sandbox unseen  top-1, 4 a class",
        "adapted, sandbox test, full     top-1 accuracy",
    ]


def test_at_a_glance_there_are_never_more_than_twelve_lines():
    rows = [score_row("zero_shot", f"d{n}", "test", "top1", 0.5, (0.4, 0.6), 10, 0.1) for n in range(30)]
    assert len(glance(rows).splitlines()) == 14
    assert glance([]) == "No scores."
