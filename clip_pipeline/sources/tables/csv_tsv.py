"""Rows of CSV, TSV and texts with any other separator, with or without a header."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import InputError
from clip_pipeline.sources.tables.columns import distinct_columns
from clip_pipeline.sources.tables.quoted_rows import quoted_rows
from clip_pipeline.sources.tables.text_files import text_lines
from clip_pipeline.sources.tables.unquoted_cells import divided_rows, fitted_cells

ODD_DELIMITER = re.compile(r"[A-Za-z_]\w*(?P<mark>[^\w\s.\-/'\"]{1,3})[A-Za-z_]\w*((?P=mark)[A-Za-z_]\w*)*")
SAID_DELIMITER = re.compile(r'\s*"?sep=(?P<mark>[^\r\n"])"?[ ,;\t]*\r?\n?', re.IGNORECASE)
"""The line by which Excel says, and is told, what stands between cells."""

DELIMITERS = ("\t", "|", ";", ",")
LINES_LOOKED_AT, CHARS_LOOKED_AT = 200, 1_000_000
MANY_LOST = 0.1
TOO_FEW, UNQUOTED_URL = "row with too few columns", "row whose url may hold commas without quotes"

Headerless = Callable[[list[str]], "list[str] | None"]
"""Given the cells of the first line: the column names if that line is data already, None if it is a header."""


def open_delimited(
    path: Path, ending: str, headerless: Headerless, error: type[InputError], dropped: LeftOut
) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Column names, and the rows as they are asked for; those with too few cells are counted in `dropped`.

    ending: .txt may have remarks after #, and urls alone. Raises `error`, now or while the rows are read, for what is empty,
    no text or no CSV.
    """
    lines = text_lines(path, error)
    if ending == ".txt":
        lines = (line for line in lines if not line.startswith("#"))  # remarks
    first = next((line for line in lines if line.strip()), "")
    empty = error(f"{path} is empty. Give a file with a line for each photo.")
    if not first:
        raise empty
    head = [first]
    if said := SAID_DELIMITER.fullmatch(first):
        delimiter = said["mark"]
        head = list(itertools.islice((line for line in lines if line.strip()), 1))
        if not head:
            raise empty
    else:
        chars = len(first)
        for line in itertools.islice(lines, LINES_LOOKED_AT):
            head.append(line)
            chars += len(line)
            if chars > CHARS_LOOKED_AT:
                break
        delimiter = choose_delimiter(head, ending == ".txt" and "://" in first, headerless)

    def broken(problem: csv.Error) -> InputError:
        return error(f"{path} cannot be read as CSV ({problem}). Check its quotes.")

    def rows(columns: list[str], cells: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
        try:
            yield from _rows(columns, cells, delimiter, dropped)
        except csv.Error as problem:
            raise broken(problem) from None

    split = _split_lines(itertools.chain(head, lines), delimiter, path.name)
    try:
        first_cells = next(split, None)
    except csv.Error as problem:
        raise broken(problem) from None
    if first_cells is None:  # nothing but commas
        raise empty
    names = headerless(first_cells)
    columns = names or distinct_columns([cell.strip() for cell in first_cells])
    return columns, rows(columns, itertools.chain([first_cells], split) if names else split)


def choose_delimiter(lines: list[str], plain_lines: bool = False, headerless: Headerless = lambda cells: None) -> str:
    """The delimiter of the first line (`sniff_delimiter`), unless many of the lines have fewer cells by it than the first, and
    few by another that stands in the first: then the other; or "" where lines are urls that no delimiter fits.

    lines: the first of a file, the first of them not blank. headerless: where the first line is data by another of the separators in it,
    and not by the one found, that is taken: `1.jpg,a cup | stock photo`.
    """
    found = sniff_delimiter(lines[0], plain_lines)
    if not found or plain_lines:
        return found
    if headerless(lines[0].strip().split(found)) is None:
        data = (mark for mark in DELIMITERS if mark in lines[0] and headerless(lines[0].strip().split(mark)))
        found = next(data, found)
    others = [mark for mark in DELIMITERS if mark != found and mark in lines[0]]
    lost = {mark: _lost_share(lines, mark) for mark in (found, *others)}
    best = min(lost, key=lambda mark: lost[mark])  # the first of equals
    if lost[found] <= MANY_LOST or lost[best] > lost[found] / 3:
        best = found
    if lost[best] > MANY_LOST and all("://" in line[:12] for line in lines if line.strip()):
        return ""
    return best


def _lost_share(lines: list[str], delimiter: str) -> float:
    """Of the rows after the first, how many have fewer cells than it."""
    try:
        sizes = [len(cells) for cells in _split_lines(lines, delimiter)]
    except csv.Error:
        return 1.0
    return sum(size < sizes[0] for size in sizes) / max(len(sizes) - 1, 1) if sizes else 1.0


def sniff_delimiter(first_line: str, plain_lines: bool = False) -> str:
    """Tab, else `|`, else the first of `;` and `,` in the line, else what stands between plain names, such as ^ or ::; "" for
    one column.

    plain_lines: the lines are urls, in which all but the tab are letters like others.
    """
    if "\t" in first_line:
        return "\t"
    if plain_lines:
        return ""
    if "|" in first_line:
        return "|"
    if found := re.search("[;,]", first_line):
        return found.group()
    odd = ODD_DELIMITER.fullmatch(first_line.strip())
    return odd["mark"] if odd else ""


def _split_lines(lines: Iterable[str], delimiter: str, name: str = "") -> Iterator[list[str]]:
    if delimiter in (",", ";"):
        yield from quoted_rows(lines, delimiter, name)
        return
    yield from divided_rows(lines, delimiter)


def _rows(columns: list[str], lines: Iterable[list[str]], delimiter: str, dropped: LeftOut) -> Iterator[dict[str, Any]]:
    for cells in lines:
        if len(cells) < len(columns):
            dropped.add(TOO_FEW, 1, delimiter.join(cells))
            continue
        fitted = fitted_cells(cells, columns, delimiter) if len(cells) > len(columns) else cells
        if fitted is None:
            dropped.add(UNQUOTED_URL, 1, delimiter.join(cells))
            continue
        yield dict(zip(columns, fitted, strict=True))
