"""The files of the Unsplash Dataset, Lite or Full, as they come: parts of photos and of keywords, tab- or comma-separated.

https://github.com/unsplash/datasets. Names and endings vary from release to release (photos.tsv000, photos.csv000), some
parts have no header, and a few rows are broken: those are counted, not believed. Everything is read once, in pieces.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.tables.text_files import UNPACKING_ERRORS, open_bytes

PART_NAME = re.compile(r"(photos|keywords)\.(?:tsv|csv)(\d*)(?:\.(?:gz|bz2|xz|zst))?", re.IGNORECASE)
LINES_OF_A_QUOTE = 50
MAX_LINE_BYTES = 4_000_000


@dataclass(frozen=True)
class Part:
    """One file: its path, its columns, the character between them, and whether its first line is a header."""

    path: Path
    columns: list[str]
    delimiter: str
    headed: bool


def find_parts(folder: Path, kind: str, needed: tuple[str, ...]) -> list[Part]:
    """The parts of a kind (photos, keywords) in a folder or one folder down, in order. needed: columns that they must have.

    Raises PhotosError for a folder without any, with what lies there, and for columns of other names.
    """
    if not folder.is_dir():
        raise PhotosError(
            f"{folder} is no folder. Give the folder that the Unsplash Dataset was unpacked into (links.path)."
        )
    found = [path for path in sorted(folder.iterdir()) if path.is_file()]
    found += [path for inner in sorted(folder.iterdir()) if inner.is_dir() for path in sorted(inner.iterdir())]
    names = {path: match for path in found if (match := PART_NAME.fullmatch(path.name))}
    paths = [path for path, match in names.items() if match[1].lower() == kind]
    if not paths:
        there = ", ".join(path.name for path in found[:8]) or "nothing"
        raise PhotosError(
            f"{folder} holds no {kind} of the Unsplash Dataset: {kind}.tsv000 or the like was expected, found {there}. "
            "Unpack the whole dataset there; photos and keywords are both needed."
        )
    paths.sort(key=lambda path: (int(names[path][2] or 0), path.name))
    parts: list[Part] = []
    for path in paths:
        parts.append(_open_part(path, parts[0] if parts else None, needed))
    return parts


def _open_part(path: Path, first: Part | None, needed: tuple[str, ...]) -> Part:
    with open_bytes(path, PhotosError) as stream:
        line = next(_lines(path, stream, Counter()), "").removeprefix("\ufeff")
    delimiter = "\t" if "\t" in line else ","
    cells = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    if set(needed) <= set(cells):
        return Part(path, cells, delimiter, True)
    if first is not None:
        return Part(path, first.columns, first.delimiter, False)
    raise PhotosError(
        f"{path} begins with the columns {', '.join(cells)[:300] or 'of an empty line'}; {' and '.join(needed)} were "
        "expected. Get the dataset's files again, or set links.source to what these are."
    )


def _lines(path: Path, stream: BinaryIO, counts: Counter[str]) -> Iterator[str]:
    try:
        for line in iter(lambda: stream.readline(MAX_LINE_BYTES), b""):
            if len(line) >= MAX_LINE_BYTES:
                raise PhotosError(
                    f"{path} holds a line of {MAX_LINE_BYTES:,} bytes or more, which no row of the dataset has. Get the file again."
                )
            try:
                yield line.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                counts["lines with broken UTF-8"] += 1
                yield line.decode("utf-8", "replace").rstrip("\r\n")
    except UNPACKING_ERRORS as problem:
        raise damaged(path, problem) from None


def damaged(path: Path, problem: Exception) -> PhotosError:
    """What is said of a part that cannot be unpacked."""
    return PhotosError(f"{path} cannot be unpacked ({str(problem)[:100]}). Get the file again.")


def records(part: Part, counts: Counter[str]) -> Iterator[list[str]]:
    """The cells of every row that has as many as there are columns."""
    width = len(part.columns)
    with open_bytes(part.path, PhotosError) as stream:
        lines = _lines(part.path, stream, counts)
        for cells in split_rows(itertools.islice(lines, int(part.headed), None), part.delimiter, width):
            if len(cells) == width:
                yield cells
            elif any(cells):
                counts["rows with too few or too many columns"] += 1


def split_rows(lines: Iterable[str], delimiter: str, width: int) -> Iterator[list[str]]:
    """Rows of lines. A quoted cell may hold the delimiter and line breaks; a quotation mark that is never closed is a letter."""
    ahead: deque[str] = deque()
    lines = iter(lines)
    while True:
        line = ahead.popleft() if ahead else next(lines, None)
        if line is None:
            return
        if '"' not in line:
            yield line.split(delimiter)
            continue
        cells, used = _quoted_row(line, ahead, lines, delimiter, width)
        for _ in range(used):
            ahead.popleft()
        yield cells


def _quoted_row(
    line: str, ahead: deque[str], lines: Iterator[str], delimiter: str, width: int
) -> tuple[list[str], int]:
    """(cells, lines of `ahead` that belong to the row); `ahead` is filled from `lines` where it is needed."""
    text, used = line, 0
    while True:
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True))
            if len(cells) == width:
                return cells, used
        except csv.Error as problem:
            if "end of data" in str(problem) and used < LINES_OF_A_QUOTE:
                if used == len(ahead):
                    ahead.extend(itertools.islice(lines, 1))
                if used < len(ahead):
                    text, used = f"{text}\n{ahead[used]}", used + 1
                    continue
        return line.split(delimiter), 0
