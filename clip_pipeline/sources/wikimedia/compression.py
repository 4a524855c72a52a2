"""Compressed bytes as a strict stream: bz2, xz, lzma and gzip, one or many concatenated streams, constant memory.

The readers of the standard library stop silently at bytes that begin no further stream, and so count half of a damaged
dump; these raise. Memory stays constant whatever the ratio of compression.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DumpError

CHUNK_BYTES = 1 << 18
MAX_PIECE_BYTES = 1 << 20

MAGIC_BYTES = {
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
    b"\x5d\x00\x00": "lzma",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
UNPACK_FIRST = {"7z": "7z x", "zip": "unzip", "zstd": "zstd -d"}


class _GzipMember:
    """One gzip member with the interface of `bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(wbits=31)
        self._waiting = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        output = self._inflater.decompress(self._waiting + data, max_length)
        self._waiting = self._inflater.unconsumed_tail
        return output

    @property
    def needs_input(self) -> bool:
        return not self._waiting and not self._inflater.eof

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data


DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE),
    "gzip": _GzipMember,
}


def compression_of(path: Path) -> str:
    """ "bz2", "xz", "lzma", "gzip" or "none", by the first bytes and not by the name.

    Raises DumpError where there is no such file, it is empty, or it is packed in a way that has no streams (7z, zip).
    """
    if not path.exists():
        raise DumpError(f"There is no dump file {path}. Check the path, or set wikipedia.dump.")
    if not path.is_file():
        raise DumpError(
            f"{path} is a folder, expected a dump file such as enwiki-…-pages-articles-multistream.xml.bz2."
        )
    with path.open("rb") as file:
        beginning = file.read(8)
    if not beginning:
        raise DumpError(f"{path} is empty (0 bytes), expected a Wikipedia dump. Download it again.")
    for magic, kind in MAGIC_BYTES.items():
        if beginning.startswith(magic):
            if kind in UNPACK_FIRST:
                raise DumpError(
                    f"{path.name} is a {kind} archive, which is not read here (.xml, .bz2, .xz, .lzma and .gz are). "
                    f'Unpack it first with "{UNPACK_FIRST[kind]} {path.name}" and give the .xml file.'
                )
            return kind
    return "none"


def read_range(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end) of a file, in chunks."""
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0:
            chunk = file.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise DumpError(
                    f"{path.name} became shorter while it was read. Wait until it is whole, then try again."
                )
            left -= len(chunk)
            yield chunk


def decompressed(chunks: Iterable[bytes], compression: str, name: str) -> Iterator[bytes]:
    """The content of one or many concatenated streams, in pieces of at most 1 MiB.

    Raises DumpError where the last stream has no end, or where the bytes are damaged.
    """
    if compression == "none":
        yield from chunks
        return
    source = iter(chunks)
    engine = None
    waiting = b""
    while True:
        if engine is None:
            # Tools for tapes and block devices pad with zeros after the last stream.
            waiting = waiting.lstrip(b"\0") or next(source, b"").lstrip(b"\0")
            if not waiting:
                waiting = next(source, b"")
                if not waiting:
                    return
                continue
            engine = DECOMPRESSORS[compression]()
        try:
            piece = engine.decompress(waiting, MAX_PIECE_BYTES)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise DumpError(
                f"{name} is damaged: its {compression} data cannot be decompressed ({error}). "
                "Compare its checksum with the mirror's and download it again."
            ) from error
        waiting = b""
        if piece:
            yield piece
        if engine.eof:
            waiting = engine.unused_data
            engine = None
        elif engine.needs_input:
            waiting = next(source, b"")
            if not waiting:
                raise DumpError(
                    f"{name} is cut: its {compression} data ends in the middle of a stream. "
                    "Download the rest of it; nothing was counted from it."
                )


class ByteStream(io.RawIOBase):
    """A file-like object over an iterator of byte strings; `name` is shown in errors."""

    def __init__(self, pieces: Iterator[bytes], name: str):
        self._pieces = pieces
        self._piece = memoryview(b"")
        self.name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = memoryview(piece)
        size = min(len(buffer), len(self._piece))
        buffer[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size
