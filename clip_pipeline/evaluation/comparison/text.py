"""A comparison of two models in words: a line a score, then what may be concluded."""

from __future__ import annotations

from clip_pipeline.display.text_table import text_table
from clip_pipeline.evaluation.comparison.models import SIGNIFICANCE, Comparison, Difference
from clip_pipeline.evaluation.report.terminal_table import metric_name, percent

HEADER = ("", "metric", "first", "second", "difference", "95 % interval", "p", "p (Holm)", "")

NUMBERS = range(2, 8)
"""Columns of HEADER that are aligned right."""


def comparison_text(comparison: Comparison) -> str:
    """Plain text for a terminal."""
    first, second = comparison.names
    table: list[tuple[str, ...]] = []
    last = ""
    for one in comparison.differences:
        table.append(("" if one.group == last else one.group, *_cells(one)))
        last = one.group
    lines = [f"first   {first}", f"second  {second}", "", text_table(table, HEADER, NUMBERS, rule=True)]
    lines += ["", conclusion(comparison)]
    lines += [f"Not compared: {one}" for one in comparison.left_out]
    return "\n".join(lines)


def conclusion(comparison: Comparison) -> str:
    """One to three sentences: which scores differ by more than chance, and what the number of comparisons means."""
    first, second = comparison.names
    total = len(comparison.differences)
    if not total:
        return "No score could be compared."
    sentences = []
    for number, name in ((1, first), (2, second)):
        won = [f"{metric_name(one.metric)} ({one.group})" for one in comparison.differences if one.winner == number]
        if won:
            sentences.append(f"{name} is significantly better in {len(won)} of {_scores(total)}: {', '.join(won)}.")
    left = sum(one.winner == 0 for one in comparison.differences)
    if left:
        what = "No score differs" if left == total else f"The other {left} do not differ" if left > 1 else "The other one does not differ"  # fmt: skip
        sentences.append(f"{what} by more than the choice of test samples explains.")
    if total > 1:
        sentences.append(
            f"{total} scores were compared, of which {SIGNIFICANCE * total:.2g} would seem significant by chance alone; the "
            f"p-values are therefore corrected (Holm), and {100 * SIGNIFICANCE:.0f} % is the bar."
        )
    return " ".join(sentences)


def _scores(count: int) -> str:
    return f"{count} scores" if count != 1 else "1 score"


def p_text(p: float) -> str:
    """A p-value with as many digits as say something."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p > 0 else "0"


def points(fraction: float) -> str:
    """`+3.2`, in percentage points."""
    return f"{100 * fraction:+.1f}"


def _cells(one: Difference) -> tuple[str, ...]:
    verdict = {0: "may be chance", 1: "first is better", 2: "second is better"}[one.winner]
    limits = f"{points(one.low)} … {points(one.high)}"
    numbers = (percent(one.first), percent(one.second), points(one.difference), limits)
    return (metric_name(one.metric), *numbers, p_text(one.p), p_text(one.p_corrected), verdict)
