"""The bytes, the text and the JSON of a file of the user's own: unpacked, decoded, with a sentence where that fails."""

from __future__ import annotations

import codecs
import io
import itertools
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clip_pipeline.errors import InputError
from clip_pipeline.machine.bounded import MAX_TEXT_LINES, read_bytes
from clip_pipeline.machine.file_kinds import is_no_text, looks_like
from clip_pipeline.sources.tables.encodings import BYTES_LOOKED_AT, decoded_text, encoding_of, wrong_byte
from clip_pipeline.sources.tables.json_stream import JsonStream
from clip_pipeline.sources.wikimedia.compression import ByteStream, RatioLimit, decompressed

COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd"}
UNPACKING_ERRORS = (EOFError, OSError, MemoryError, zlib.error, lzma.LZMAError)
CHUNK_BYTES, BUFFER_BYTES = 1 << 18, 1 << 16
MAX_LINE_CHARS = 1 << 24
"""Of a line of a table: with a photo in it as base64 it has some 10 million."""
MAX_TABLE_RATIO = 100
"""Unpacked bytes to packed ones, after the first 64 MB (`RatioLimit`). Lists of urls pack 3 to 10 times, with one caption for all
some 30 times."""
BYTES_CHECKED = 256_000_000
"""Of a text before long work (`check_text`): 0.2 s."""
LINES_OF_ANY_FILE = 250_000
"""Lines of a packed file, beside one for every byte of it: rows that differ take more."""


def plain_ending(path: Path) -> str:
    """The ending in lower case, that of the compression left off: .csv of photos.csv.gz."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in COMPRESSED:
        endings.pop()
    return endings[-1] if endings else ""


def open_bytes(path: Path, error: type[InputError]) -> BinaryIO:
    """The bytes of a file, unpacked where its ending says so, in constant memory and never without an end. Raises `error` for a
    file that cannot be read; damage inside shows while it is read, as `error` or as one of UNPACKING_ERRORS."""
    try:
        stream = path.open("rb")
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror or problem}). Check the rights to it.") from None
    kind = COMPRESSED.get(path.suffix.lower())
    if kind is None:
        return stream
    pieces = zstd_pieces(path, stream, error) if kind == "zstd" else _pieces(path, stream, kind, error)
    return io.BufferedReader(ByteStream(pieces, path.name), BUFFER_BYTES)


def _pieces(path: Path, stream: BinaryIO, kind: str, error: type[InputError]) -> Iterator[bytes]:
    with stream:
        yield from decompressed(iter(lambda: stream.read(CHUNK_BYTES), b""), kind, str(path), error, MAX_TABLE_RATIO)


def zstd_pieces(
    path: Path, stream: BinaryIO, error: type[InputError], max_ratio: int = MAX_TABLE_RATIO
) -> Iterator[bytes]:
    """What a file that zstd has packed unpacks to. Raises `error` for what unpacks without an end, OSError for damage."""
    import pyarrow as pa

    limit = RatioLimit(str(path), error, max_ratio)
    limit.count(path.stat().st_size, 0)
    with stream, pa.input_stream(stream, compression="zstd") as unpacked:
        while piece := unpacked.read(CHUNK_BYTES):
            limit.count(0, len(piece))
            yield piece


@contextmanager
def open_text(path: Path, error: type[InputError]) -> Iterator[io.TextIOWrapper]:
    """The text of a UTF-8 or (with its byte order mark) UTF-16 file, unpacked. Raises `error` as `open_bytes` does."""
    with open_bytes(path, error) as stream:
        beginning = stream.peek(BYTES_LOOKED_AT) if hasattr(stream, "peek") else b""
        yield io.TextIOWrapper(stream, encoding_of(beginning), newline="\n")


def no_text_sentence(path: Path, error: type[InputError]) -> str:
    """What is wrong with a file that is no UTF-8 or UTF-16 text: which kind of file it is, or where the first byte of another
    encoding lies; its bytes are read once more for it."""
    with open_bytes(path, error) as stream:
        beginning = stream.peek(BYTES_LOOKED_AT) if hasattr(stream, "peek") else b""
        encoding = encoding_of(beginning)
        if encoding == "utf-8-sig" and is_no_text(beginning):
            kind = looks_like(beginning)
            return f"{path} is no text, it looks like {kind}. Give a text in UTF-8, or a table by its own ending (.parquet, .csv.gz)."
        place = wrong_byte(iter(lambda: stream.read(CHUNK_BYTES), b""), encoding)
    name = "UTF-8" if encoding == "utf-8-sig" else "UTF-16"
    return f"{path} is no {name} text ({place}). Save it as UTF-8 and try again, such as with iconv -f LATIN1 -t UTF-8."


def read_text(path: Path, error: type[InputError]) -> str:
    """The text of a small UTF-8 or (with its byte order mark) UTF-16 file. Raises `error` for anything else, and above
    MAX_TEXT_BYTES or MAX_TEXT_LINES (`bounded.py`)."""
    content = read_bytes(path, error)
    if content.count(b"\n") > MAX_TEXT_LINES:
        raise error(
            f"{path} has more than {MAX_TEXT_LINES:,} lines, which is no list of its kind. Look at what it holds."
        )
    text = decoded_text(content)
    if text is None:
        raise error(no_text_sentence(path, error))
    if "\0" in text:
        raise error(f"{path} is no text: it holds zero bytes. Give CSV, TSV, JSONL or Parquet with its own ending.")
    return text


def lines_of(text: str) -> list[str]:
    """The lines of a text that is in memory, without their ends: \\n or \\r\\n, and nothing else. What `str.splitlines` takes for an
    end as well (U+2028, U+2029, U+0085, form feeds) stands inside of captions, names and ids."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def text_lines(path: Path, error: type[InputError]) -> Iterator[str]:
    """Lines of a UTF-8 or (with its byte order mark) UTF-16 file, unpacked, with their ends. Raises `error` for what is no text."""
    try:
        packed = path.suffix.lower() in COMPRESSED
        most = LINES_OF_ANY_FILE + path.stat().st_size if packed else sys.maxsize
        with open_text(path, error) as text:
            for number, line in enumerate(iter(lambda: text.readline(MAX_LINE_CHARS), ""), start=1):
                if len(line) >= MAX_LINE_CHARS:
                    raise error(
                        f"{path}: line {number:,} has {MAX_LINE_CHARS:,} characters or more, which is no row of a table. Write "
                        "one row a line."
                    )
                if number > most:
                    raise error(
                        f"{path} has more than {most:,} lines, which no table of its size does. Get it again, or give it unpacked."
                    )
                if "\0" in line:
                    raise error(
                        f"{path} is no text: it holds zero bytes. Give CSV, TSV, JSONL or Parquet with its own ending."
                    )
                yield line
    except UnicodeDecodeError:
        raise error(no_text_sentence(path, error)) from None
    except UNPACKING_ERRORS as problem:
        raise error(f"{path} cannot be unpacked ({str(problem)[:100]}). Get or make it again.") from None


def check_text(path: Path, error: type[InputError]) -> None:
    """Raises `error` for a file whose first BYTES_CHECKED are no UTF-8 or UTF-16, before long work: the first rows of a table in Latin-1
    need hold no letter that tells it."""
    try:
        with open_bytes(path, error) as stream:
            beginning = stream.peek(BYTES_LOOKED_AT) if hasattr(stream, "peek") else b""
            decoder = codecs.getincrementaldecoder(encoding_of(beginning))()
            pieces = iter(lambda: stream.read(CHUNK_BYTES), b"")
            for piece in itertools.islice(pieces, BYTES_CHECKED // CHUNK_BYTES):
                decoder.decode(piece)
    except UnicodeDecodeError:
        raise error(no_text_sentence(path, error)) from None
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
        except UnicodeDecodeError:
            raise error(no_text_sentence(path, error)) from None
        except ValueError as problem:
            raise error(
                f"{path} is no JSON ({problem}). Get it again, or write a list of objects, or JSONL with one object a line."
            ) from None
