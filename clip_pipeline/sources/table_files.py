"""Tables that people keep beside their photos: CSV, TSV, `|`-separated, JSONL, JSON and Parquet, as rows with column names."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import InputError

logger = logging.getLogger(__name__)

Headerless = Callable[[list[str]], "list[str] | None"]
"""Given the cells of the first line: the column names if that line is data already, None if it is a header."""


@dataclass(frozen=True)
class FileTable:
    """Column names as they stand in the file, and the rows by column name."""

    columns: list[str]
    rows: list[dict[str, Any]]

    def column(self, names: Sequence[str]) -> str | None:
        """The column that is called by the first of `names` there is; case, spaces and hyphens do not matter."""
        by_name = {re.sub(r"[\s\-]+", "_", column.strip().lower()): column for column in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)


def read_table_file(path: Path, headerless: Headerless, error: type[InputError]) -> FileTable:
    """Reads a table of any of the kinds above; the ending says which, and a .txt or .csv is looked into.

    Raises `error` for a file that is absent, no UTF-8 or UTF-16 text, broken or empty.
    """
    if not path.is_file():
        raise error(f"There is no file {path}. Check the name, or give the full path.")
    ending = path.suffix.lower()
    if ending in (".parquet", ".pq"):
        table = _read_parquet(path, error)
    elif ending in (".jsonl", ".ndjson"):
        table = _table_of(list(_json_lines(path, error)))
    elif ending == ".json":
        table = _table_of(_json_rows(path, error))
    else:
        table = _read_delimited(path, headerless, error)
    if not table.rows:
        columns = f" below its columns {', '.join(table.columns)[:200]}" if table.columns else ""
        raise error(f"{path} holds no rows{columns}. Give a file with a line for each photo.")
    return table


def read_text(path: Path, error: type[InputError]) -> str:
    """The text of a UTF-8 or (with its byte order mark) UTF-16 file. Raises `error` for anything else."""
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        raise error(f"{path} is no UTF-8 text (byte {problem.start:,}). Save it as UTF-8 and try again.") from None
    if "\0" in text:
        raise error(f"{path} is no text: it holds zero bytes. Give CSV, TSV, JSONL or Parquet with its own ending.")
    return text


def _table_of(rows: list[dict[str, Any]]) -> FileTable:
    return FileTable(list(dict.fromkeys(name for row in rows for name in row)), rows)


def _read_parquet(path: Path, error: type[InputError]) -> FileTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise error(f"{path} cannot be read as Parquet ({str(problem)[:100]}). Make it again.") from None
    return FileTable(table.column_names, table.to_pylist())


def _json_lines(path: Path, error: type[InputError]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_text(path, error).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as problem:
            raise error(f"Line {number:,} of {path} is no JSON ({problem}). Write one object a line.") from None
        if not isinstance(row, dict):
            raise error(f'Line {number:,} of {path} is no object. Write {{"file": ..., "caption": ...}} a line.')
        yield row


def _json_rows(path: Path, error: type[InputError]) -> list[dict[str, Any]]:
    """Rows of a list of objects, of COCO's images and annotations, or of an object from file name to caption(s)."""
    try:
        content = json.loads(read_text(path, error))
    except ValueError as problem:
        raise error(
            f"{path} is no JSON ({problem}). Write a list of objects, or JSONL with one object a line."
        ) from None
    if isinstance(content, list) and all(isinstance(row, dict) for row in content):
        return content
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        names = {image.get("id"): image.get("file_name") for image in content["images"]}
        return [{"file_name": names.get(one.get("image_id")), **one} for one in content["annotations"]]
    if isinstance(content, dict) and all(isinstance(value, str | list) for value in content.values()):
        return [{"file": name, "captions": value} for name, value in content.items()]
    raise error(f"{path} holds JSON of an unknown form. Write a list of objects with a file and a caption each.")


def _read_delimited(path: Path, headerless: Headerless, error: type[InputError]) -> FileTable:
    text = read_text(path, error)
    if path.suffix.lower() == ".txt":
        text = "\n".join(line for line in text.split("\n") if not line.startswith("#"))  # remarks
    first = next((line for line in text.split("\n") if line.strip()), "")
    if not first:
        raise error(f"{path} is empty. Give a file with a line for each photo.")
    delimiter = sniff_delimiter(first, plain_lines=path.suffix.lower() == ".txt" and "://" in first)
    try:
        lines = _split_lines(text, delimiter)
        first_cells = next(lines)
        names = headerless(first_cells)
        columns = names or [cell.strip() for cell in first_cells]
        rows, dropped = _rows(columns, [first_cells, *lines] if names else lines, delimiter)
    except csv.Error as problem:
        raise error(f"{path} cannot be read as CSV ({problem}). Check its quotes.") from None
    if dropped:
        logger.warning("%s: left out %d rows with too few columns, kept %d", path.name, dropped, len(rows))
    return FileTable(columns, rows)


def sniff_delimiter(first_line: str, plain_lines: bool = False) -> str:
    """Tab, else `|`, else the first of `;` and `,` in the line; "" for one column.

    plain_lines: the lines are urls, in which all but the tab are letters like others.
    """
    if "\t" in first_line:
        return "\t"
    if plain_lines:
        return ""
    if "|" in first_line:
        return "|"
    found = re.search("[;,]", first_line)
    return found.group() if found else ""


def _split_lines(text: str, delimiter: str) -> Iterator[list[str]]:
    if delimiter in (",", ";"):
        yield from (cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(cells))
        return
    # a quotation mark that opens a caption must not swallow the lines after it, as it would through csv
    for line in text.split("\n"):
        if line.strip():
            cells = line.rstrip("\r").split(delimiter) if delimiter else [line.strip()]
            yield [_unquoted(cell) for cell in cells]


def _unquoted(cell: str) -> str:
    if len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', ""):
        return cell[1:-1].replace('""', '"')
    return cell


def _rows(columns: list[str], lines: Iterable[list[str]], delimiter: str) -> tuple[list[dict[str, Any]], int]:
    rows, dropped = [], 0
    for cells in lines:
        if len(cells) < len(columns):
            dropped += 1
            continue
        if len(cells) > len(columns):  # an unquoted delimiter in the last column, which is nearly always the caption
            cells = [*cells[: len(columns) - 1], delimiter.join(cells[len(columns) - 1 :])]
        rows.append(dict(zip(columns, cells, strict=True)))
    return rows, dropped


def texts_of(value: Any) -> list[str]:
    """The captions in a cell: of a string one, of a list all; stripped, without empty ones."""
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts_of(one)]
    if isinstance(value, dict):  # the sentences of Karpathy's lists are objects with their text under "raw"
        return next((texts_of(value[name]) for name in ("raw", "caption", "text") if name in value), [])
    return [value.strip()] if isinstance(value, str) and value.strip() else []
