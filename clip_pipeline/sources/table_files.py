"""Tables that people keep beside their photos: CSV, TSV, `|`-separated, JSONL, JSON and Parquet, as rows with column names."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import json
import logging
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from clip_pipeline.errors import InputError
from clip_pipeline.sources.json_stream import JsonStream

logger = logging.getLogger(__name__)

COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": None}
UNPACKING_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)
KEYWORD_ENDS = re.compile("[,;|]")
UNWRITABLE = re.compile("[\ud800-\udfff]")
ODD_DELIMITER = re.compile(r"[A-Za-z_]\w*(?P<mark>[^\w\s.\-/'\"]{1,3})[A-Za-z_]\w*((?P=mark)[A-Za-z_]\w*)*")
ROWS_LOOKED_AT = 1000
TOO_FEW = "rows with too few columns"

Headerless = Callable[[list[str]], "list[str] | None"]
"""Given the cells of the first line: the column names if that line is data already, None if it is a header."""


@dataclass(frozen=True)
class StreamedTable:
    """Column names as they stand in the file (of JSON: those of the first 1,000 rows), and the rows by column name, to be
    read once. dropped: rows left out so far, by reason; complete when all rows have been read."""

    columns: list[str]
    rows: Iterator[dict[str, Any]]
    dropped: Counter[str] = field(default_factory=Counter)

    def column(self, names: Sequence[str]) -> str | None:
        """The column that is called by the first of `names` there is; case, spaces and hyphens do not matter."""
        by_name = {re.sub(r"[\s\-]+", "_", column.strip().lower()): column for column in reversed(self.columns)}
        return next((by_name[name] for name in names if name in by_name), None)


def stream_table_file(path: Path, headerless: Headerless, error: type[InputError]) -> StreamedTable:
    """Opens a table of any of the kinds above; the ending says which, and a .txt or .csv is looked into. After it may come
    .gz, .bz2, .xz or .zst. All are read as their rows are asked for.

    Raises `error`, now or while the rows are read, for a file that is absent, no UTF-8 or UTF-16 text, broken or empty.
    """
    if not path.is_file():
        raise error(f"There is no file {path}. Check the name, or give the full path.")
    ending = plain_ending(path)
    dropped: Counter[str] = Counter()
    if ending in (".parquet", ".pq"):
        columns, rows = _open_parquet(path, error)
    elif ending in (".jsonl", ".ndjson"):
        columns, rows = _columns_of(_json_lines(path, error))
    elif ending == ".json":
        columns, rows = _columns_of(_json_rows(path, error))
    else:
        columns, rows = _open_delimited(path, ending, headerless, error, dropped)
    first = next(rows, None)
    if first is None:
        names = f" below its columns {', '.join(columns)[:200]}" if columns else ""
        raise error(f"{path} holds no rows{names}. Give a file with a line for each photo.")
    return StreamedTable(columns, itertools.chain([first], rows), dropped)


def plain_ending(path: Path) -> str:
    """The ending in lower case, that of the compression left off: .csv of photos.csv.gz."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSED:
        endings.pop()
    return endings[-1] if endings else ""


def open_bytes(path: Path, error: type[InputError]) -> BinaryIO:
    """The bytes of a file, unpacked where its ending says so. Raises `error` for a file that cannot be read; damage inside
    shows while it is read, as one of UNPACKING_ERRORS."""
    import pyarrow as pa

    try:
        if path.suffix.lower() == ".zst":
            return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
        opener = COMPRESSED.get(path.suffix.lower(), open)
        return opener(path, "rb")
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror or problem}). Check the rights to it.") from None


def plain_text(text: str) -> str:
    """The text without what no file of ours can hold: zero bytes become spaces, halves of surrogate pairs U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return UNWRITABLE.sub("\ufffd", text.replace("\0", " "))


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


def _columns_of(rows: Iterator[dict[str, Any]]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    first = list(itertools.islice(rows, ROWS_LOOKED_AT))
    return list(dict.fromkeys(name for row in first for name in row)), itertools.chain(first, rows)


def _open_parquet(path: Path, error: type[InputError]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def rows(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
        try:
            with file:
                for batch in file.iter_batches(ROWS_LOOKED_AT):
                    yield from batch.to_pylist()
        except (pa.ArrowInvalid, OSError) as problem:
            raise broken(problem) from None

    def broken(problem: Exception) -> InputError:
        return error(f"{path} cannot be read as Parquet ({str(problem)[:100]}). Make it again.")

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise broken(problem) from None
    return file.schema_arrow.names, rows(file)


@contextmanager
def open_text(path: Path, error: type[InputError]) -> Iterator[io.TextIOWrapper]:
    """The text of a UTF-8 or (with its byte order mark) UTF-16 file, unpacked. Raises `error` as `open_bytes` does."""
    with open_bytes(path, error) as stream:
        mark = stream.peek(2)[:2] if hasattr(stream, "peek") else b""
        encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        yield io.TextIOWrapper(stream, encoding, newline="\n")


def _text_lines(path: Path, error: type[InputError]) -> Iterator[str]:
    """Lines of a UTF-8 or (with its byte order mark) UTF-16 file, with their ends."""
    number = 0
    try:
        with open_text(path, error) as text:
            for number, line in enumerate(text, start=1):  # noqa: B007
                if "\0" in line:
                    raise error(
                        f"{path} is no text: it holds zero bytes. Give CSV, TSV, JSONL or Parquet with its own ending."
                    )
                yield line
    except UnicodeDecodeError as problem:
        raise error(
            f"{path} is no UTF-8 text (byte {problem.start:,} after line {number:,}). Save it as UTF-8 and try again."
        ) from None
    except UNPACKING_ERRORS as problem:
        raise error(f"{path} cannot be unpacked ({str(problem)[:100]}). Get or make it again.") from None


def _json_lines(path: Path, error: type[InputError]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_text_lines(path, error), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as problem:
            raise error(f"Line {number:,} of {path} is no JSON ({problem}). Write one object a line.") from None
        if not isinstance(row, dict):
            raise error(f'Line {number:,} of {path} is no object. Write {{"file": ..., "caption": ...}} a line.')
        yield row


@contextmanager
def open_json(path: Path, error: type[InputError]) -> Iterator[JsonStream]:
    """The JSON in a file. Raises `error` for what is no JSON, now or while it is read."""
    with open_text(path, error) as text:
        try:
            yield JsonStream(text)
        except UNPACKING_ERRORS as problem:
            raise error(f"{path} cannot be unpacked ({str(problem)[:100]}). Get or make it again.") from None
        except UnicodeDecodeError as problem:
            raise error(f"{path} is no UTF-8 text ({problem.reason}). Save it as UTF-8 and try again.") from None
        except ValueError as problem:
            raise error(
                f"{path} is no JSON ({problem}). Get it again, or write a list of objects, or JSONL with one object a line."
            ) from None


def _json_rows(path: Path, error: type[InputError]) -> Iterator[dict[str, Any]]:
    """Rows of a list of objects, or of an object from file name to caption(s)."""
    with open_json(path, error) as stream:
        if stream.kind == "[":
            for row in stream.items():
                if not isinstance(row, dict):
                    raise unknown_json(path, error)
                yield row
        elif stream.kind == "{":
            for name in stream.members():
                value = stream.value()
                if not isinstance(value, str | list) or (isinstance(value, list) and not all(map(_is_text, value))):
                    raise unknown_json(path, error)
                yield {"file": name, "captions": value}
        elif stream.kind:
            raise unknown_json(path, error)
        stream.end()


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def unknown_json(path: Path, error: type[InputError]) -> InputError:
    """The error for JSON that is none of the forms that are known."""
    return error(
        f"{path} holds JSON of an unknown form. Write a list of objects with a file and a caption each, an object from file "
        "name to captions, or what COCO publishes (images and annotations)."
    )


def _open_delimited(
    path: Path, ending: str, headerless: Headerless, error: type[InputError], dropped: Counter[str]
) -> tuple[list[str], Iterator[dict[str, Any]]]:
    lines = _text_lines(path, error)
    if ending == ".txt":
        lines = (line for line in lines if not line.startswith("#"))  # remarks
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise error(f"{path} is empty. Give a file with a line for each photo.")
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
        first_cells = next(split)
    except csv.Error as problem:
        raise broken(problem) from None
    names = headerless(first_cells)
    columns = names or [cell.strip() for cell in first_cells]
    return columns, rows(columns, itertools.chain([first_cells], split) if names else split)


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
        yield from (cells for cells in csv.reader(lines, delimiter=delimiter) if any(cells))
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


def texts_of(value: Any) -> list[str]:
    """The captions in a cell: of a string one, of a list all; stripped, without empty ones."""
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts_of(one)]
    if isinstance(value, dict):  # the sentences of Karpathy's lists are objects with their text under "raw"
        return next((texts_of(value[name]) for name in ("raw", "caption", "text") if name in value), [])
    return [plain_text(value.strip())] if isinstance(value, str) and value.strip() else []


def keywords_of(value: Any) -> list[str]:
    """The keywords in a cell: of a list all, of a text those between its commas, semicolons and bars; each once."""
    parts = [part.strip() for text in texts_of(value) for part in KEYWORD_ENDS.split(text)]
    return list(dict.fromkeys(part for part in parts if part))
