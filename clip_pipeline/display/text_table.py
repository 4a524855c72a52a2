"""Rows as a plain text table: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from clip_pipeline.display.printable import printable_line


def text_table(
    rows: Iterable[Sequence[str]],
    header: Sequence[str] = (),
    right: Collection[int] = (),
    *,
    rule: bool = False,
    indent: str = "",
) -> str:
    """Columns as wide as their widest cell, two spaces apart; no line ends in spaces.

    rows: cells as text, the same number in each. right: the columns that are aligned right, as numbers are. rule: draw a line
    below the header. indent: what every line begins with. "" for no rows and no header.
    """
    lines = _lines(rows, header)
    widths = _widths(lines)
    texts = [indent + "  ".join(_aligned(line, widths, right)).rstrip() for line in lines]
    if rule and header:
        texts.insert(1, indent + "  ".join("─" * width for width in widths).rstrip())
    return "\n".join(texts)


def markdown_table(rows: Iterable[Sequence[str]], header: Sequence[str], right: Collection[int] = ()) -> str:
    """The same as a Markdown table whose columns line up as text too."""
    lines = _lines(rows, header)
    widths = _widths(lines)
    texts = ["| " + " | ".join(_aligned(line, widths, right)) + " |" for line in lines]
    rule = "|".join("-" * (width + 1) + (":" if column in right else "-") for column, width in enumerate(widths))
    return "\n".join([texts[0], f"|{rule}|", *texts[1:]])


def _lines(rows: Iterable[Sequence[str]], header: Sequence[str]) -> list[Sequence[str]]:
    return [[printable_line(cell) for cell in line] for line in [*([header] if header else []), *rows]]


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _aligned(line: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    return [
        text.rjust(width) if column in right else text.ljust(width)
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]
