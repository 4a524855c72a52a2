"""The scores as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def scoreboard(rows: Sequence[dict[str, Any]]) -> str:
    """Plain text: one line a score with its 95 % interval, what chance gives and the number of samples."""
    shown = [row for row in rows if row["metric"] in HEADLINES or row["metric"].endswith("_shot")]
    if not shown:
        return "No scores."
    header = ("", "metric", "score", "95 % interval", "chance", "n", "")
    table = [header]
    last = ""
    for row in shown:
        group = group_name(row)
        numbers = (percent(row["value"]), interval_text(row), percent(row["chance"]), f"{row['n']:,}")
        table.append(("" if group == last else group, metric_name(row["metric"]), *numbers, mark(row)))
        last = group
    widths = [max(len(line[column]) for line in table) for column in range(len(header))]
    lines = []
    for line in table:
        cells = [
            text.ljust(w) if c < 2 or c == 6 else text.rjust(w)
            for c, (text, w) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("─" * width for width in widths).rstrip())
    return "\n".join(lines)
