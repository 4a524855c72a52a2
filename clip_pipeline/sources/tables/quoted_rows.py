"""Rows of CSV whose cells may be quoted: a quote that is never closed costs its own row no cell, and no row after it."""

from __future__ import annotations

import csv
import logging
import re
from collections import deque
from collections.abc import Iterable, Iterator

logger = logging.getLogger(__name__)

MAX_LINES_OF_A_ROW = 50
"""Quoted captions may hold line breaks; more of them are a quote that is not closed."""

PHOTO_OR_URL = re.compile(r"\S+\.(jpe?g|png|webp|gif|bmp|tiff?|avif|jp2|pp?m|pgm)|\w+://\S+", re.IGNORECASE)
DIGITS = re.compile(r"\d+")


def quoted_rows(lines: Iterable[str], delimiter: str, name: str = "") -> Iterator[list[str]]:
    """Rows without blank ones. A row of several lines, of which one begins as a row does, or which goes on to the end, has a quote
    that is not closed: the quote is a letter then, and the lines after it are rows of their own. How many is a warning with the
    file's name.

    Raises csv.Error for a row of more than 50 lines none of which looks like a row.
    """
    source, waiting, taken = iter(lines), deque[str](), list[str]()
    first_cell, unclosed, number, first_unclosed, ended = "", 0, 0, 0, False

    def feed() -> Iterator[str]:
        nonlocal ended
        while (line := waiting.popleft() if waiting else next(source, None)) is not None:
            taken.append(line)
            if len(taken) > MAX_LINES_OF_A_ROW:
                raise csv.Error(
                    f"the row of line {number + 1:,} goes on to line {number + len(taken):,}, as if a quote were not closed"
                )
            yield line
        ended = True

    reader = csv.reader(feed(), delimiter=delimiter)
    while True:
        taken.clear()
        too_long: csv.Error | None = None
        cells: list[str] | None = None
        try:
            cells = next(reader, None)
        except csv.Error as error:
            too_long = error
        if not taken:
            break
        # the reader asks for another line only within a quote, so at the end of the file one is open
        if ended or any(_begins_a_row(line, delimiter, first_cell) for line in taken[1:]):
            unclosed, first_unclosed = unclosed + 1, first_unclosed or number + 1
            cells = taken[0].rstrip("\r\n").split(delimiter)
            waiting.extendleft(reversed(taken[1:]))
            del taken[1:]
            ended = False
            reader = csv.reader(feed(), delimiter=delimiter)
        elif too_long is not None:
            raise too_long
        number += len(taken)
        if cells and any(cells):
            first_cell = cells[0]
            yield cells
    if unclosed and name:
        logger.warning(
            "%s: %d quotation marks are not closed and count as letters, the first in line %d",
            name,
            unclosed,
            first_unclosed,
        )


def _begins_a_row(line: str, delimiter: str, before: str) -> bool:
    """Whether a line that a quote has swallowed looks like a row: it begins with a photo, an address, or a number as rows before."""
    cell, found, _ = line.partition(delimiter)
    cell = cell.strip().strip('"')
    if not found:
        return False
    if PHOTO_OR_URL.fullmatch(cell):
        return True
    shape = DIGITS.sub("#", cell)
    return "#" in shape and shape == DIGITS.sub("#", before)
