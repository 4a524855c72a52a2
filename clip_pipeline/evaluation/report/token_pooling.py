"""What the report says of models whose image encoders pool their tokens: how, and how many tokens each layer sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from clip_pipeline.evaluation.report.table import Table

HEADER = ("variant", "tokens become one by", "tokens of a segment", "tokens that layers see", "padding")
PLAIN = "every token stays"


def pooling_table(by_variant: Mapping[str, Mapping[str, Any] | None]) -> Table | None:
    """One row a variant; None where all are plain. by_variant: what training.json says under token_pooling, None for a plain one."""
    if not any(by_variant.values()):
        return None
    return Table(HEADER, [(name, *_cells(facts)) for name, facts in by_variant.items()])


def _cells(facts: Mapping[str, Any] | None) -> tuple[str, ...]:
    if not facts:
        return PLAIN, "1", "–", "–"
    order = f" ({facts['order']})" if "order" in facts else ""
    # checkpoints of earlier versions do not say the last two; they have no padding either
    size, padding = facts.get("tokens_of_a_segment"), facts.get("padding", 0.0)
    return (
        facts["kind"] + order,
        "–" if size is None else f"{size:.3g}",
        layers_text(facts["tokens_of_layers"]),
        f"{padding:.0%}",
    )


def layers_text(tokens: Sequence[int]) -> str:
    """`65 in layer 1, 17 in layers 2 to 6` of the tokens of each layer."""
    found, first = [], 1
    for count, group in groupby(tokens):
        last = first + len(list(group)) - 1
        found.append(f"{count} in layer{f' {first}' if first == last else f's {first} to {last}'}")
        first = last + 1
    return ", ".join(found)
