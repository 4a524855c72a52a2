"""Writes webdataset tars: photos with their captions, the same bytes for the same samples."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

MEMBER_MODE = 0o644


class ShardWriter:
    """A tar that grows sample by sample; `close` ends it. Use as a context manager.

    Members of one key lie together, as webdataset wants; times, owners and modes are fixed, so equal samples give equal
    bytes: those that the standard library's tarfile would write, in a tenth of its time.
    """

    def __init__(self, path: Path):
        self._file = path.open("wb", buffering=1 << 18)
        self._bytes = 0
        self._last_key = ""
        self.samples = 0

    def add(self, key: str, members: Mapping[str, bytes]) -> None:
        """Appends {ending: bytes}, sorted by ending. Raises ValueError for a key with a dot or a slash (webdataset takes the key
        up to the first dot) and for one that does not come after the last.
        """
        if "." in key or "/" in key:
            raise ValueError(f"{key!r} cannot be a key: it has a dot or a slash")
        if self.samples and key <= self._last_key:
            raise ValueError(f"{key!r} comes after {self._last_key!r}: samples are written in the order of their keys")
        for ending, content in sorted(members.items()):
            self._file.write(tar_header(f"{key}.{ending}", len(content)))
            self._file.write(content)
            self._file.write(bytes(-len(content) % tarfile.BLOCKSIZE))
            self._bytes += tarfile.BLOCKSIZE + len(content) + -len(content) % tarfile.BLOCKSIZE
        self._last_key = key
        self.samples += 1

    def close(self) -> None:
        """Writes the end of the tar: two blocks of zeros, filled up to a whole record."""
        end = 2 * tarfile.BLOCKSIZE
        self._file.write(bytes(end + -(self._bytes + end) % tarfile.RECORDSIZE))
        self._file.close()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


def tar_header(name: str, size: int) -> bytes:
    """The block before a member: POSIX ustar, as `tarfile.TarInfo.tobuf` makes it."""
    encoded = name.encode()
    if len(encoded) > MAX_NAME_BYTES or size >= 8**11 or not name.isascii():
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode, entry.mtime = size, MEMBER_MODE, 0
        return entry.tobuf(tarfile.USTAR_FORMAT)
    start = encoded.ljust(MAX_NAME_BYTES, b"\0")
    middle = _AFTER_NAME % size
    checksum = sum(start) + sum(middle) + _REST_SUM
    return b"".join((start, middle, b"%06o\0 " % checksum, _REST))


MAX_NAME_BYTES = 100
_AFTER_NAME = b"%07o\0%07o\0%07o\0%%011o\0%011o\0" % (MEMBER_MODE, 0, 0, 0)
_REST = b"0".ljust(101, b"\0") + b"ustar\x0000" + b"\0" * (512 - 265)
_REST_SUM = sum(_REST) + 8 * ord(" ")  # the checksum itself counts as eight spaces


def write_shard(path: Path, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> int:
    """Writes (key, {ending: bytes}) samples, sorted by key and ending; returns how many. See `ShardWriter`."""
    with ShardWriter(path) as tar:
        for key, members in sorted(samples, key=lambda sample: sample[0]):
            tar.add(key, members)
    return tar.samples
