"""Tars that came from elsewhere, one header after the other: with a limit on what a header may ask for, and none kept."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

PIECE_BYTES, MAX_READ_BYTES = 1 << 20, 1 << 24
"""Bytes that tarfile may ask for at once. It takes the names and facts that stand before a member whole into memory, in whatever
size the header says; those of an honest one have some hundred bytes."""

MAX_PLACE = 1 << 50
ENTRIES_OF_ANY_FILE, BYTES_OF_AN_ENTRY = 20_000, 64
"""A packed tar's entries: as many, and one more for so many of its bytes, which a name, a time and a checksum take at least."""

TAR_ERRORS = (tarfile.TarError, EOFError, LookupError, OverflowError, ValueError, RecursionError, MemoryError)
"""What tarfile raises over damage; the last four over numbers that are none, and over headers of headers of headers."""


class _Limited(io.RawIOBase):
    """A file of which only so much is read at once. One that cannot be wound back is read forward."""

    def __init__(self, stream: BinaryIO):
        self._stream, self._seekable, self._place = stream, stream.seekable(), 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ_BYTES:
            raise tarfile.ReadError(f"a header asks for {size:,} bytes")
        content = self._stream.read(size)
        self._place += len(content)
        return content

    def tell(self) -> int:
        return self._stream.tell() if self._seekable else self._place

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or place < 0:
            raise tarfile.ReadError("a header leads back")
        if place > MAX_PLACE:
            raise tarfile.ReadError(f"a header leads to byte {place:,}")
        if self._seekable:
            return self._stream.seek(place)
        if place < self._place:
            raise tarfile.ReadError("a header leads back")
        while self._place < place and self.read(min(place - self._place, MAX_READ_BYTES)):
            pass
        return self._place

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def read_member(stream: IO[bytes], max_bytes: int) -> bytes:
    """At most so many bytes of a member, in pieces that are never too large."""
    content = bytearray()
    while len(content) < max_bytes and (piece := stream.read(min(PIECE_BYTES, max_bytes - len(content)))):
        content += piece
    return bytes(content)


@contextmanager
def tar_entries(
    stream: BinaryIO, packed_bytes: int | None = None
) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """The tar in a stream that unpacks itself, and its entries. packed_bytes: of the file, where it is packed.

    Raises TAR_ERRORS, now and while they are read, also for an entry that leads back to what was before it and for more entries
    than a packed file can hold.
    """
    most = sys.maxsize if packed_bytes is None else ENTRIES_OF_ANY_FILE + packed_bytes // BYTES_OF_AN_ENTRY
    with tarfile.open(fileobj=_Limited(stream), mode="r:") as tar:
        yield tar, _forward(tar, most)


def _forward(tar: tarfile.TarFile, most: int) -> Iterator[tarfile.TarInfo]:
    for number, entry in enumerate(tar):
        if number >= most:
            raise tarfile.ReadError(f"it holds more than {most:,} entries, which no file of its size does")
        tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every header it has read: 1 KB each
        if entry.size < 0:
            raise tarfile.ReadError("a member of a negative size")
        yield entry
