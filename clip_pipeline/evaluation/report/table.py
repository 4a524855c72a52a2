"""A table of the report: its header and its rows, all as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TEXT_COLUMNS = frozenset(
    [
        "variant",
        "verdict",
        "method",
        "task",
        "dataset",
        "split",
        "prompts",
        "metric",
        "what",
        "status",
        "class",
        "called",
        "taken for",
        "of",
        "setting",
        "example",
    ]
)
"""Columns whose cells begin at the left; numbers end at the right."""


@dataclass(frozen=True)
class Table:
    """header: names of the columns. rows: their cells, as many in each."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def is_text(self, column: str) -> bool:
        """Whether the column holds words and not numbers."""
        return column in TEXT_COLUMNS
