"""Rows with more cells than columns, or fewer: delimiters and line ends that stand inside of cells, with and without quotes."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

WEB = ("http://", "https://")
URL_NAME = re.compile(r"(.*[_ ])?(urls?|links?|uri|href)", re.IGNORECASE)
PART_OF_URL = re.compile(r"[^\s\"']*([=&/?%]|\.(jpe?g|png|webp|gif|avif|tiff?|bmp)\b)[^\s\"']*", re.IGNORECASE)
"""A cell that can only be the end of a url whose commas are not quoted."""

WHOLE_URL = re.compile(r"[^?\s]*\.(jpe?g|png|webp|gif|avif|tiff?|bmp)", re.IGNORECASE)
MAX_LINES_OF_A_ROW = 50
"""Quoted captions may hold line breaks; a quote that is never closed would swallow rows without a word."""


def fitted_cells(cells: Sequence[str], columns: Sequence[str], delimiter: str) -> list[str] | None:
    """As many cells as there are columns, of more: empty ones at the end go, a url gets back its own delimiters, and the last
    column, which is nearly always the caption, the others. None where url and caption cannot be told apart."""
    cells, count = list(cells), len(columns)
    while len(cells) > count and not cells[-1].strip():
        cells.pop()
    if len(cells) == count:
        return cells
    place = next((place for place, name in enumerate(columns) if URL_NAME.fullmatch(name.strip())), None)
    if place is not None:
        return _with_url(cells, place, count, delimiter)
    return [*cells[: count - 1], delimiter.join(cells[count - 1 :])]


def _with_url(cells: list[str], place: int, count: int, delimiter: str) -> list[str] | None:
    extra = len(cells) - count
    starts = [at for at in range(place, place + extra + 1) if cells[at].lstrip().lower().startswith(WEB)]
    if not starts or (starts[0] > place and place == 0):
        return [*cells[: count - 1], delimiter.join(cells[count - 1 :])] if place < count - 1 else None
    start = starts[0]
    if start > place:  # delimiters in the column before
        cells[place - 1 : start] = [delimiter.join(cells[place - 1 : start])]
        extra -= start - place
    more = _more_of_url(cells[place], cells[place + 1 : place + 1 + extra], last=place == count - 1)
    if more is None:
        return None
    cells[place : place + 1 + more] = [delimiter.join(cells[place : place + 1 + more])]
    return [*cells[: count - 1], delimiter.join(cells[count - 1 :])]


def _more_of_url(url: str, following: Sequence[str], last: bool) -> int | None:
    """How many of the cells that follow belong to a url; None where that cannot be known."""
    plain = list(itertools.takewhile(lambda cell: cell and not re.search(r"[\s\"']", cell), following))
    if last:
        return len(plain) if len(plain) == len(following) else None
    parts = [number for number, cell in enumerate(plain, start=1) if PART_OF_URL.fullmatch(cell)]
    if parts:
        return parts[-1]
    return 0 if not plain or WHOLE_URL.fullmatch(url.strip()) else None


def divided_rows(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The cells of lines that any delimiter divides. Quotes around a cell may hold the delimiter and line ends, as where a
    spreadsheet wrote them; one that opens a caption and is not closed is a mark of inches, and swallows nothing."""
    width, waiting, source = 0, deque[str](), iter(lines)
    while (line := waiting.popleft() if waiting else next(source, None)) is not None:
        if not line.strip():
            continue
        cells = _cells(line, delimiter, width)
        if width and cells[-1][:1] == '"' and not _is_closed(cells[-1]) and len(cells) <= width:
            cells = _with_following(cells, width, delimiter, waiting, source)
        width = width or len(cells)
        yield [_unquoted(cell) for cell in cells]


def _with_following(
    cells: list[str], width: int, delimiter: str, waiting: deque[str], source: Iterator[str]
) -> list[str]:
    """The row with the lines in which its last cell goes on. They are no rows themselves, and one of them closes the quote."""
    text = cells[-1]
    for number in range(MAX_LINES_OF_A_ROW):
        if number == len(waiting):
            following = next(source, None)
            if following is None:
                break
            waiting.append(following)
        text += "\n" + waiting[number].rstrip("\r\n")
        whole = [*cells[:-1], *_cells(text, delimiter, width - len(cells) + 1)]
        if len(whole) == width and all(_is_closed(cell) for cell in whole if cell[:1] == '"'):
            for _ in range(number + 1):
                waiting.popleft()
            return whole
        if len(waiting[number].split(delimiter)) >= width > 1:
            break
    return cells


def _cells(line: str, delimiter: str, width: int) -> list[str]:
    """The cells of a line; delimiters between quotes divide none, where enough cells are left without."""
    cells = line.rstrip("\r\n").split(delimiter) if delimiter else [line.strip()]
    place = 0
    while width and len(cells) > width and place < len(cells):
        if cells[place][:1] == '"' and not _is_closed(cells[place]):
            ends = (end for end in range(place + 1, len(cells)) if _is_closed(delimiter.join(cells[place : end + 1])))
            if (end := next(ends, None)) is not None and len(cells) - (end - place) >= width:
                cells[place : end + 1] = [delimiter.join(cells[place : end + 1])]
        place += 1
    return cells


def _is_closed(cell: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', "")


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if _is_closed(cell) else cell
