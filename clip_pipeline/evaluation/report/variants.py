"""Training variants side by side: one table of scores with a column each, and which differences are more than chance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.display.text_table import text_table
from clip_pipeline.evaluation.comparison.models import KEY, Comparison, Difference, ScoredModel, compare_models
from clip_pipeline.evaluation.comparison.text import conclusion, p_text, points
from clip_pipeline.evaluation.report.table import Table
from clip_pipeline.evaluation.report.terminal_table import (
    TASK_NAMES,
    group_name,
    interval_text,
    metric_name,
    percent,
    scores_at_a_glance,
)

HOW_TO_READ = (
    "Each variant is compared with the first one on the same photos: McNemar’s exact test where every photo is right or wrong, "
    "else a paired bootstrap; the p-values are corrected (Holm) for all the comparisons here. ↑ is better than the first by "
    "more than the choice of test photos explains, ↓ worse, nothing may be chance. What the choice of a seed explains is not in it."
)
COMPARISON_FILE = "comparison.json"
SCORE_COLUMNS = ("task", "dataset", "split", "prompts", "metric")
TEST_HEADER = ("variant", "what", "metric", "difference", "95 % interval", "p", "p (Holm)", "verdict")


@dataclass(frozen=True)
class VariantScores:
    """One variant. changed: the settings in which it differs from the recipe. scores: its rows, each with the folder that its
    predictions lie in."""

    name: str
    changed: Mapping[str, Any]
    scores: Sequence[tuple[Mapping[str, Any], Path]]

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        return [row for row, _ in self.scores]

    @property
    def changed_text(self) -> str:
        """`epochs=28, seed=1`, or that it is the recipe's own."""
        return ", ".join(f"{name}={value}" for name, value in self.changed.items()) or "the recipe as it is"


@dataclass(frozen=True)
class VariantsChapter:
    """What the report shows of several variants. at_a_glance: the headline scores, with marks. scores: all of them, with intervals.
    tests: one row a comparison. comparisons: behind them."""

    variants: Sequence[VariantScores]
    comparisons: Sequence[Comparison]
    at_a_glance: Table
    scores: Table
    tests: Table
    conclusions: Sequence[str]

    @property
    def left_out(self) -> list[str]:
        """What could not be compared, with the reason."""
        return [f"{one.names[0]}: {text}" for one in self.comparisons for text in one.left_out]

    def as_json(self) -> dict[str, Any]:
        """The settings of each variant and all comparisons, as JSON values."""
        return {
            "variants": {one.name: dict(one.changed) for one in self.variants},
            "comparisons": [one.as_json() for one in self.comparisons],
        }


def variants_chapter(variants: Sequence[VariantScores], seed: int = 0) -> VariantsChapter:
    """Compares each variant with the first, on the first one's headline scores. seed: of the resampling."""
    headlines = {_key(row) for row in scores_at_a_glance(variants[0].rows)}
    first, *others = [_model(one, headlines) for one in variants]
    comparisons = compare_models([(other, first) for other in others], seed=seed)
    return VariantsChapter(
        variants,
        comparisons,
        _glance_table(variants, comparisons),
        Table((*SCORE_COLUMNS, *(one.name for one in variants)), _score_rows(variants)),
        Table(
            TEST_HEADER, [_test_row(one.names[0], difference) for one in comparisons for difference in one.differences]
        ),
        [f"{one.names[0]} against {one.names[1]}. {conclusion(one)}" for one in comparisons],
    )


def _model(variant: VariantScores, chosen: Collection[tuple[str, ...]]) -> ScoredModel:
    return ScoredModel(variant.name, [(row, folder) for row, folder in variant.scores if _key(row) in chosen])


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in KEY)


def _glance_table(variants: Sequence[VariantScores], comparisons: Sequence[Comparison]) -> Table:
    rows = glance_rows([one.rows for one in variants])
    marks = {
        (one.names[0], difference.group, difference.metric): (" ", "↑", "↓")[difference.winner]
        for one in comparisons
        for difference in one.differences
    }
    cells = [
        (
            group_name(first),
            metric_name(first["metric"]),
            *(
                f"{percent(row['value'])} {marks.get((one.name, group_name(first), first['metric']), ' ')}"
                if row
                else "–"
                for one, row in zip(variants, of_variants, strict=True)
            ),
        )
        for first, of_variants in rows
    ]
    return Table(("what", "metric", *(one.name for one in variants)), cells)


def glance_rows(
    rows_by_variant: Sequence[Sequence[Mapping[str, Any]]],
) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any] | None]]]:
    """The headline scores, each with that of every variant, None for one that lacks it."""
    by_key = [{_key(row): row for row in rows} for rows in rows_by_variant]
    headlines = {_key(row): row for rows in rows_by_variant for row in reversed(scores_at_a_glance(rows))}
    ordered = dict.fromkeys(_key(row) for rows in rows_by_variant for row in scores_at_a_glance(rows))
    return [(headlines[key], [rows.get(key) for rows in by_key]) for key in ordered]


def _score_rows(variants: Sequence[VariantScores]) -> list[tuple[str, ...]]:
    by_key = [{_key(row): row for row in one.rows} for one in variants]
    every = dict.fromkeys(key for rows in by_key for key in rows)
    return [
        (
            TASK_NAMES.get(key[0], key[0]),
            *key[1:3],
            key[3] or "–",
            metric_name(key[4]),
            *(f"{percent(row['value'])} [{interval_text(row)}]" if (row := rows.get(key)) else "–" for rows in by_key),
        )
        for key in every
    ]


def _test_row(variant: str, one: Difference) -> tuple[str, ...]:
    verdict = ("may be chance", "better", "worse")[one.winner]
    limits = f"{points(one.low)} … {points(one.high)}"
    names = (variant, one.group, metric_name(one.metric))
    return (*names, points(one.difference), limits, p_text(one.p), p_text(one.p_corrected), verdict)


MAX_COLUMNS = 5
"""Variants that a line of a terminal has room for."""


def terminal_text(rows_by_variant: Mapping[str, Sequence[Mapping[str, Any]]], comparison: Mapping[str, Any]) -> str:
    """The headline scores of the variants side by side, and the differences that are more than chance.

    rows_by_variant: their rows, the first variant that the others are compared with. comparison: what comparison.json says.
    """
    names = list(rows_by_variant)[:MAX_COLUMNS]
    table, last = [], ""
    for first, rows in glance_rows([rows_by_variant[name] for name in names]):
        group = group_name(first)
        cells = (percent(row["value"]) if row else "–" for row in rows)
        table.append(("" if group == last else group, metric_name(first["metric"]), *cells))
        last = group
    lines = [text_table(table, ("", "metric", *names), right=range(2, 2 + len(names)), rule=True), ""]
    if len(rows_by_variant) > len(names):
        lines.append(f"{len(rows_by_variant) - len(names)} more variants are in the report.")
    lines += [_verdict(one) for one in comparison["comparisons"]]
    return "\n".join(lines)


def _verdict(comparison: Mapping[str, Any]) -> str:
    """One line: what is better or worse by more than chance, on the same photos."""
    found = [one for one in comparison["differences"] if one["significant"]]
    names = (comparison["first"], comparison["second"])
    if not found:
        return f"{names[0]}: no headline score differs from {names[1]}'s by more than chance, on the same photos."
    differences = [f"{metric_name(one['metric'])} {points(one['difference'])} ({one['group']})" for one in found]
    return f"{names[0]}: differs from {names[1]} by more than chance in {', '.join(differences)}."
