"""Tables that people keep beside their photos: CSV, TSV, `|`-separated, JSONL, JSON and Parquet, as rows with column names."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import InputError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.sources.tables.columns import distinct_members, may_repeat
from clip_pipeline.sources.tables.csv_tsv import Headerless, open_delimited
from clip_pipeline.sources.tables.json_rows import Member, form_of_members, look_at_members, rows_of_object
from clip_pipeline.sources.tables.parquet_rows import open_parquet_rows
from clip_pipeline.sources.tables.text_files import open_json, plain_ending, text_lines

ROWS_LOOKED_AT, CHARS_LOOKED_AT = 1000, 8_000_000
"""Rows of JSON that are kept to know the columns: as many, or those in so many characters."""

MAX_COLUMNS = 10_000

Row = dict[str, Any]


@dataclass(frozen=True)
class StreamedTable:
    """Column names as they stand in the file (of JSON: those of the first 1,000 rows), and the rows by column name, to be
    read once. dropped: rows left out so far, by reason; complete when all rows have been read."""

    columns: list[str]
    rows: Iterator[dict[str, Any]]
    dropped: LeftOut = field(default_factory=LeftOut)

    def column(self, names: Sequence[str]) -> str | None:
        """The column that is called by the first of `names` there is; case, spaces and hyphens do not matter."""
        by_name = {_plain_name(column): column for column in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)

    def repeats(self, column: str) -> list[str]:
        """The further columns of that name: `Caption` beside `caption`, and `caption 2` of a file that has it twice."""
        name = re.compile(rf"{re.escape(_plain_name(column))}(_\d+)?")
        return [one for one in self.columns if one != column and name.fullmatch(_plain_name(one))]


def _plain_name(column: str) -> str:
    return re.sub(r"[\s\-]+", "_", column.strip().lower())


def stream_table_file(path: Path, headerless: Headerless, error: type[InputError]) -> StreamedTable:
    """Opens a table of any of the kinds above; the ending says which, and a .txt or .csv is looked into. After it may come
    .gz, .bz2, .xz or .zst. All are read as their rows are asked for.

    Raises `error`, now or while the rows are read, for a file that is absent, no UTF-8 or UTF-16 text, broken or empty.
    """
    if not path.is_file():
        raise error(f"There is no file {path}. Check the name, or give the full path.")
    ending = plain_ending(path)
    dropped: LeftOut = LeftOut()
    if ending in (".parquet", ".pq"):
        columns, rows = open_parquet_rows(path, error)
    elif ending in (".jsonl", ".ndjson"):
        columns, rows = _columns_of(_json_lines(path, error))
    elif ending == ".json":
        columns, rows = _columns_of(_json_rows(path, error))
    else:
        columns, rows = open_delimited(path, ending, headerless, error, dropped)
    if len(columns) > MAX_COLUMNS:
        raise error(
            f"{path} has {len(columns):,} columns, the most that are read are {MAX_COLUMNS:,}. Is it turned on its side, or "
            "its line ends lost? Give a line for each photo."
        )
    first = next(rows, None)
    if first is None:
        names = f" below its columns {', '.join(columns)[:200]}" if columns else ""
        raise error(f"{path} holds no rows{names}. Give a file with a line for each photo.")
    return StreamedTable(columns, itertools.chain([first], rows), dropped)


def _columns_of(rows: Iterator[tuple[int, Row]]) -> tuple[list[str], Iterator[Row]]:
    """rows: each after the characters up to its end."""
    first: list[Row] = []
    columns: dict[str, None] = {}
    for place, row in rows:
        first.append(row)
        columns.update(dict.fromkeys(row))
        if len(first) == ROWS_LOOKED_AT or place > CHARS_LOOKED_AT:
            break
    return list(columns), itertools.chain(first, (row for _, row in rows))


def _json_lines(path: Path, error: type[InputError]) -> Iterator[tuple[int, Row]]:
    place = 0
    for number, line in enumerate(text_lines(path, error), start=1):
        place += len(line)
        if not line.strip():
            continue
        try:
            row = parse_json(line)
            if may_repeat(row, line.count('":')):
                row = json.loads(line, object_pairs_hook=distinct_members)
        except ValueError as problem:
            raise error(f"Line {number:,} of {path} is no JSON ({problem}). Write one object a line.") from None
        if not isinstance(row, dict):
            raise error(f'Line {number:,} of {path} is no object. Write {{"file": ..., "caption": ...}} a line.')
        yield place, row


def _json_rows(path: Path, error: type[InputError]) -> Iterator[tuple[int, Row]]:
    """Rows of a list of objects, or of an object in one of the forms of `json_rows`."""
    members: list[Member] = []
    with open_json(path, error) as stream:
        if stream.kind == "{":
            members = look_at_members(stream)
    form = form_of_members(members)
    with open_json(path, error) as stream:
        if stream.kind == "[":
            for row in stream.items():
                if not isinstance(row, dict):
                    raise _unknown_json(path, error)
                yield stream.place, row
        elif form:
            for row in rows_of_object(stream, form, members):
                yield stream.place, row
        elif stream.kind:
            raise _unknown_json(path, error)
        stream.end()


def _unknown_json(path: Path, error: type[InputError]) -> InputError:
    """The error for JSON that is none of the forms that are known."""
    return error(
        f"{path} holds JSON of an unknown form. Write a list of objects with a file and a caption each, alone or as the one list "
        "of an object, an object from file name to captions, or what COCO publishes (images and annotations)."
    )
