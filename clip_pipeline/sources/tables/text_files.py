"""The bytes, the text and the JSON of a file of the user's own: unpacked, decoded, with a sentence where that fails."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from clip_pipeline.errors import InputError
from clip_pipeline.sources.tables.json_stream import JsonStream

COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": None}
UNPACKING_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError)


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


@contextmanager
def open_text(path: Path, error: type[InputError]) -> Iterator[io.TextIOWrapper]:
    """The text of a UTF-8 or (with its byte order mark) UTF-16 file, unpacked. Raises `error` as `open_bytes` does."""
    with open_bytes(path, error) as stream:
        mark = stream.peek(2)[:2] if hasattr(stream, "peek") else b""
        encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        yield io.TextIOWrapper(stream, encoding, newline="\n")


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


def text_lines(path: Path, error: type[InputError]) -> Iterator[str]:
    """Lines of a UTF-8 or (with its byte order mark) UTF-16 file, unpacked, with their ends. Raises `error` for what is no text."""
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
