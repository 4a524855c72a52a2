"""The scores as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clip_pipeline.display.text_table import text_table
from clip_pipeline.evaluation.templates import OWN

HEADLINES = (
    "top1",
    "top5",
    "top1_all_classes",
    "top1_on_training",
    "image_to_text_recall@1",
    "image_to_text_recall@5",
    "image_to_text_recall@10",
    "text_to_image_recall@1",
    "text_to_image_recall@5",
    "text_to_image_recall@10",
)
GLANCE: dict[str, tuple[str, ...]] = {
    "zero_shot": ("top1", "top1_all_classes"),
    "retrieval": tuple(f"{way}_recall@{k}" for way in ("image_to_text", "text_to_image") for k in (1, 10)),
    "linear_probe": ("top1",),
    "few_shot_probe": (),
    "adaptation": ("top1",),
}
"""By task, the metrics that are read at a glance."""
MAX_AT_A_GLANCE = 12

METRIC_NAMES = {
    "top1": "top-1 accuracy",
    "top5": "top-5 accuracy",
    "top1_all_classes": "top-1, all classes as candidates",
    "top1_on_training": "top-1, photos it was trained on",
    "mean_per_class_recall": "mean per-class recall",
    "ece": "calibration error",
}
TASK_NAMES = {
    "zero_shot": "zero-shot",
    "retrieval": "retrieval",
    "linear_probe": "linear probe",
    "mlp_probe": "MLP probe",
    "few_shot_probe": "few-shot probe",
    "adaptation": "adapted",
}


def group_name(row: Mapping[str, Any]) -> str:
    """What a score is of: `zero-shot, pets test`, with the set of prompts where that is not the dataset's own."""
    prompts = f", {row['templates']} prompts" if row["templates"] not in ("", OWN) else ""
    return f"{TASK_NAMES.get(row['task'], row['task'])}, {row['dataset']} {row['split']}{prompts}"


def metric_name(metric: str) -> str:
    """The metric in words: `text → image recall@1`."""
    if metric in METRIC_NAMES:
        return METRIC_NAMES[metric]
    if metric.endswith("_shot"):  # top1_4_shot
        return f"top-1, {metric.split('_')[1]} a class"
    return metric.replace("_to_", " → ").replace("_", " ")


def percent(fraction: float) -> str:
    """`71.3 %`; two decimals below one percent, where chance often lies."""
    return f"{100 * fraction:.2f} %" if 0 < fraction < 0.01 else f"{100 * fraction:.1f} %"


def interval_text(row: Mapping[str, Any]) -> str:
    """`68.9 – 73.5`, in percent."""
    return f"{100 * row['low']:.1f} – {100 * row['high']:.1f}"


def mark(row: Mapping[str, Any]) -> str:
    """`may be chance` for a score whose interval does not lie above chance, else nothing."""
    return "may be chance" if row["chance"] is not None and row["low"] <= row["chance"] else ""


def scoreboard(rows: Sequence[Mapping[str, Any]]) -> str:
    """Plain text: one line a score with its 95 % interval, what chance gives and the number of samples."""
    return _table([row for row in rows if row["metric"] in HEADLINES or row["metric"].endswith("_shot")])


def glance(rows: Sequence[Mapping[str, Any]]) -> str:
    """The scoreboard that is read at a glance: at most 12 lines, of `scores_at_a_glance`."""
    return _table(scores_at_a_glance(rows))


def scores_at_a_glance(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The few scores that say how good a model is, in the order of GLANCE, each task's splits together, at most 12.

    Of several sets of prompts the first; of the few-shot probes one, the last split's with most photos a class. The MLP probe is left
    to the report: it says of the embeddings what the linear probe says.
    """
    few_shot = [row for row in rows if row["task"] == "few_shot_probe"][-1:]
    zero_shot = [row for row in rows if row["task"] == "zero_shot"]
    first_prompts = {(row["dataset"], row["split"]): row["templates"] for row in reversed(zero_shot)}
    chosen: list[Mapping[str, Any]] = []
    for task, metrics in GLANCE.items():
        of_task = [row for row in rows if row["task"] == task and row["metric"] in metrics]
        if task == "zero_shot":
            of_task = [row for row in of_task if row["templates"] == first_prompts[row["dataset"], row["split"]]]
        chosen += few_shot if task == "few_shot_probe" else of_task
    return chosen[:MAX_AT_A_GLANCE]


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "No scores."
    table = []
    last = ""
    for row in rows:
        group = group_name(row)
        chance = "" if row["chance"] is None else percent(row["chance"])
        numbers = (percent(row["value"]), interval_text(row), chance, f"{row['n']:,}")
        table.append(("" if group == last else group, metric_name(row["metric"]), *numbers, mark(row)))
        last = group
    heads = ("", "metric", "score", "95 % interval", "chance", "n", "")
    return "\n".join([text_table(table, heads, right=(2, 3, 4, 5), rule=True), *_left_out(rows)])


def _left_out(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each group of scores that rest on fewer photos than there are."""
    counts = {group_name(row): row["provenance"].get("photos_left_out") or 0 for row in rows}
    return [
        f"{group}: {count:,} photos could not be read or decoded and are in none of these numbers."
        for group, count in counts.items()
        if count
    ]
