"""Compressed bytes as a strict stream: bz2, xz, lzma and gzip, one or many concatenated streams, constant memory.

The readers of the standard library stop silently at bytes that begin no further stream, and so count half of a damaged
dump; these raise. Memory stays constant whatever the ratio of compression, and so does time: what unpacks to a thousand
times its size is nobody's data.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DumpError, InputError

CHUNK_BYTES = 1 << 18
MAX_PIECE_BYTES = 1 << 20
MAX_RATIO, RATIO_COUNTS_FROM_BYTES = 250, 64_000_000
"""Unpacked bytes to packed ones, after the first 64 MB. bz2 packs articles 4 to 5 times, gzip their HTML 8 times; the history of
an article in xz, nearly the same text again and again, some 100 times."""
MAX_XZ_MEMORY = 1 << 28
"""Bytes that a stream's dictionary may take: `xz -9` asks for 65 MB to unpack, a header can ask for 4 GB."""

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
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_XZ_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, MAX_XZ_MEMORY),
    "gzip": _GzipMember,
}


def compression_of(path: Path) -> str:
    """ "bz2", "xz", "lzma", "gzip" or "none", by the first bytes and not by the name.

    Raises DumpError where there is no such file, it is empty, or it is packed in a way that has no streams (7z, zip).
    """
    if not path.exists():
        raise DumpError(f"There is no dump file {path}. Check the path.")
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


class RatioLimit:
    """Counts what is unpacked. name: of the file. Raises `error` above `max_ratio`, after the first RATIO_COUNTS_FROM_BYTES."""

    def __init__(self, name: str, error: type[InputError], max_ratio: int = MAX_RATIO):
        self._name, self._error, self._max_ratio = name, error, max_ratio
        self.packed = self.unpacked = 0

    def count(self, packed: int, unpacked: int) -> None:
        """packed: bytes more that were read; unpacked: bytes more that came of them."""
        self.packed += packed
        self.unpacked += unpacked
        if self.unpacked > max(RATIO_COUNTS_FROM_BYTES, self._max_ratio * self.packed):
            raise self._error(
                f"{self._name} unpacks to more than {self.unpacked // 1_000_000:,} MB from {self.packed:,} bytes, which no table "
                "and no dump does. It is not read further. Get it again, or give it unpacked."
            )


def decompressed(
    chunks: Iterable[bytes],
    compression: str,
    name: str,
    error: type[InputError] = DumpError,
    max_ratio: int = MAX_RATIO,
) -> Iterator[bytes]:
    """The content of one or many concatenated streams, in pieces of at most 1 MiB.

    Raises `error` where the last stream has no end, where the bytes are damaged, and for what unpacks without an end.
    """
    if compression == "none":
        yield from chunks
        return
    limit = RatioLimit(name, error, max_ratio)

    def counted() -> Iterator[bytes]:
        for chunk in chunks:
            limit.count(len(chunk), 0)
            yield chunk

    source = counted()
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
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as problem:
            raise error(
                f"{name} is damaged: its {compression} data cannot be decompressed ({problem}). "
                "Compare its checksum with that of its source and get it again."
            ) from problem
        waiting = b""
        if piece:
            limit.count(0, len(piece))
            yield piece
        if engine.eof:
            waiting = engine.unused_data
            engine = None
        elif engine.needs_input:
            waiting = next(source, b"")
            if not waiting:
                raise error(
                    f"{name} is cut: its {compression} data ends in the middle of a stream. Get the rest of it."
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
