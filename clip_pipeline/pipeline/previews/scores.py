"""Scores as the page shows them: numbers whose names stay the same over runs, so that it can draw them over time, and a table
with intervals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HEADLINES = {
    "zero_shot": ("top1",),
    "retrieval": ("text_to_image_recall@1", "image_to_text_recall@1"),
    "linear_probe": ("top1",),
}
"""By task, the scores that are numbers where there are those of many datasets."""
MAX_ROWS = 200
"""Of a table in Dagster's event log, where each materialisation holds its own."""

NO_BREAK, JOINER = "\u00a0", "\u2060"
"""A space at which no line ends, and no space at which none ends."""

Row = Mapping[str, Any]
TableParts = tuple[tuple[str, ...], list[tuple[Any, ...]]]


def score_numbers(rows: Sequence[Row], of_all: bool) -> dict[str, float]:
    """Scores by name, fractions from 0 to 1.

    of_all: the rows are of several datasets and variants; the names say of which (`Zero-shot top-1 accuracy, pets test, tiny`), and
    only the headlines are taken. Else the names say what differs within one dataset and variant (`Top-1 accuracy, test`).
    """
    numbers: dict[str, float] = {}
    for row in rows:
        if not of_all or row["metric"] in HEADLINES.get(row["task"], ()):
            numbers.setdefault(_name(row, of_all), row["value"])
    return numbers


def _name(row: Row, of_all: bool) -> str:
    from clip_pipeline.evaluation.report.terminal_table import TASK_NAMES, metric_name
    from clip_pipeline.evaluation.templates import OWN

    task, metric = TASK_NAMES.get(row["task"], row["task"]), metric_name(row["metric"])
    with_task = of_all or row["task"].endswith("_probe")
    parts = [f"{task} {metric}" if with_task else metric]
    parts.append(f"{row['dataset']} {row['split']}" if of_all else row["split"].replace("_", " "))
    if row["templates"] not in ("", OWN):
        parts.append(f"{row['templates']} prompts")
    if of_all:
        parts.append(variant_of_row(row))
    if "seed" in row:
        parts.append(f"seed {row['seed']}")
    name = ", ".join(part for part in parts if part)
    return name[:1].upper() + name[1:]


def variant_of_row(row: Row) -> str:
    """The training variant whose model was scored; "" where the row does not say."""
    return (row.get("provenance") or {}).get("model", "")


def score_table(rows: Sequence[Row], of_all: bool) -> TableParts:
    """Columns and rows as text, a row a score with its 95 % interval: few columns, since on the page a wide table squeezes the names
    beside it. of_all: only those that are read at a glance, with the variant;
    the report has them all."""
    from clip_pipeline.evaluation.report.terminal_table import (
        group_name,
        interval_text,
        mark,
        metric_name,
        percent,
        scores_at_a_glance,
    )

    columns: tuple[str, ...] = ("Score of", "Metric", "Score", "Chance")
    shown = [row for own in _by_variant(rows) for row in scores_at_a_glance(own)] if of_all else rows
    table: list[tuple[Any, ...]] = []
    for row in shown[:MAX_ROWS]:
        what = f"{group_name(row)}, seed {row['seed']}" if "seed" in row else group_name(row)
        score = f"{_whole(percent(row['value']))} ({_whole(interval_text(row))})"
        chance = "" if row["chance"] is None else _whole(percent(row["chance"]))
        cells = (what, metric_name(row["metric"]), score, ", ".join(filter(None, (chance, mark(row)))))
        table.append((variant_of_row(row), *cells) if of_all else cells)
    columns = ("Variant", *columns) if of_all else columns
    if len(shown) > MAX_ROWS:
        table.append((f"{len(shown) - MAX_ROWS} more in scores.json", *[""] * (len(columns) - 1)))
    return columns, table


def _whole(text: str) -> str:
    """The text without a place at which the page could end a line."""
    return text.replace(" – ", f"{JOINER}–{JOINER}").replace(" ", NO_BREAK)


def _by_variant(rows: Sequence[Row]) -> list[list[Row]]:
    variants = dict.fromkeys(variant_of_row(row) for row in rows)
    return [[row for row in rows if variant_of_row(row) == variant] for variant in variants]


def comparison_table(path: Path) -> TableParts:
    """Columns and rows as text of comparison.json: each variant's headline scores against the first variant's, by paired tests."""
    from clip_pipeline.evaluation.comparison.models import Difference
    from clip_pipeline.evaluation.comparison.text import p_text, points
    from clip_pipeline.evaluation.report.terminal_table import metric_name

    rows = []
    for comparison in json.loads(path.read_text(encoding="utf-8"))["comparisons"]:
        for values in comparison["differences"]:
            one = Difference(**{name: value for name, value in values.items() if name != "significant"})
            rows.append(
                (
                    f"{comparison['first']} against {comparison['second']}",
                    f"{one.group}, {metric_name(one.metric)}",
                    f"{points(one.difference)} ({_whole(f'{points(one.low)} – {points(one.high)}')})",
                    p_text(one.p_corrected),
                    ("may be chance", "better", "worse")[one.winner],
                )
            )
    return ("Variants", "Score of", "Difference in points (95 %)", "p (Holm)", "Verdict"), rows[:MAX_ROWS]


def curve_numbers(folder: Path) -> dict[str, float]:
    """The accuracy of each way of adapting with all photos, a fraction from 0 to 1."""
    from clip_pipeline.adaptation.results import read_table

    rows = read_table(folder)
    most = max((row["percent"] for row in rows), default=0)
    return {f"Top-1 accuracy, {row['method']}, all photos": row["top1"] for row in rows if row["percent"] == most}


def curve_table(folder: Path) -> TableParts:
    """Columns and rows as text, a row a way of adapting and fraction."""
    from clip_pipeline.adaptation.results import TABLE_HEADER, read_table, table_cells

    columns = tuple(name[:1].upper() + name[1:] for name in TABLE_HEADER)
    return columns, list(table_cells(read_table(folder)))
