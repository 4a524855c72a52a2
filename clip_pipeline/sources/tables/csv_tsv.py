"""Rows of CSV, TSV and texts with any other separator, with or without a header."""

from __future__ import annotations

import csv
import itertools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import InputError
from clip_pipeline.sources.tables.text_files import text_lines

logger = logging.getLogger(__name__)

ODD_DELIMITER = re.compile(r"[A-Za-z_]\w*(?P<mark>[^\w\s.\-/'\"]{1,3})[A-Za-z_]\w*((?P=mark)[A-Za-z_]\w*)*")
TOO_FEW = "rows with too few columns"

Headerless = Callable[[list[str]], "list[str] | None"]
"""Given the cells of the first line: the column names if that line is data already, None if it is a header."""


def open_delimited(
    path: Path, ending: str, headerless: Headerless, error: type[InputError], dropped: Counter[str]
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
    delimiter = sniff_delimiter(first, plain_lines=ending == ".txt" and "://" in first)

    def broken(problem: csv.Error) -> InputError:
        return error(f"{path} cannot be read as CSV ({problem}). Check its quotes.")

    def rows(columns: list[str], cells: Iterable[list[str]]) -> Iterator[dict[str, Any]]:
        kept = 0
        try:
            for row in _rows(columns, cells, delimiter, dropped):
                kept += 1
                yield row
        except csv.Error as problem:
            raise broken(problem) from None
        if dropped:
            logger.warning("%s: left out %d %s, kept %d", path.name, dropped[TOO_FEW], TOO_FEW, kept)

    split = _split_lines(itertools.chain([first], lines), delimiter)
    try:
        first_cells = next(split, None)
    except csv.Error as problem:
        raise broken(problem) from None
    if first_cells is None:  # nothing but commas
        raise empty
    names = headerless(first_cells)
    columns = names or _distinct([cell.strip() for cell in first_cells])
    return columns, rows(columns, itertools.chain([first_cells], split) if names else split)


def _distinct(names: list[str]) -> list[str]:
    """The second column `caption` becomes `caption 2`, so that none hides another."""
    columns: list[str] = []
    for name in names:
        number = 1
        while name and (name if number == 1 else f"{name} {number}") in columns:
            number += 1
        columns.append(name if number == 1 else f"{name} {number}")
    return columns


MAX_LINES_OF_A_ROW = 50
"""Quoted captions may hold line breaks; a quote that is never closed would swallow rows without a word."""


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


def _split_lines(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter in (",", ";"):
        reader = csv.reader(lines, delimiter=delimiter)
        read = 0
        for cells in reader:
            if reader.line_num - read > MAX_LINES_OF_A_ROW:
                raise csv.Error(
                    f"the row of line {read + 1:,} goes on to line {reader.line_num:,}, as if a quote were not closed"
                )
            read = reader.line_num
            if any(cells):
                yield cells
        return
    # a quotation mark that opens a caption must not swallow the lines after it, as it would through csv
    for line in lines:
        if line.strip():
            cells = line.rstrip("\r\n").split(delimiter) if delimiter else [line.strip()]
            yield [_unquoted(cell) for cell in cells]


def _unquoted(cell: str) -> str:
    if len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', ""):
        return cell[1:-1].replace('""', '"')
    return cell


def _rows(
    columns: list[str], lines: Iterable[list[str]], delimiter: str, dropped: Counter[str]
) -> Iterator[dict[str, Any]]:
    for cells in lines:
        if len(cells) < len(columns):
            dropped[TOO_FEW] += 1
            continue
        if len(cells) > len(columns):  # an unquoted delimiter in the last column, which is nearly always the caption
            cells = [*cells[: len(columns) - 1], delimiter.join(cells[len(columns) - 1 :])]
        yield dict(zip(columns, cells, strict=True))
