"""Photos among the user's own files: `file:NAME` below a root folder, and `tar:TAR#KEY` inside webdataset tars."""

from __future__ import annotations

import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path

PHOTO_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "jfif")


class OwnFileError(Exception):
    """A file cannot be given; `status` is one of records.PHOTO_STATUSES."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class _Member:
    name: str
    offset: int
    size: int


class OwnFiles:
    """Reads photos below `root`, and nothing outside of it; safe to use from many threads.

    root: a folder, or one file (a single tar), which then is the only one that can be read.
    """

    def __init__(self, root: Path, max_bytes: int):
        self._root = root.expanduser().resolve()
        self._max_bytes = max_bytes
        self._indexes: dict[Path, dict[str, _Member]] = {}
        self._lock = threading.Lock()

    def read(self, url: str) -> bytes:
        """The bytes of a `file:` or `tar:` url. Raises OwnFileError with the status of the photo."""
        scheme, _, name = url.partition(":")
        try:
            if scheme == "file":
                return self._read_file(self._inside(name))
            tar_name, _, key = name.partition("#")
            return self._read_member(self._inside(tar_name), key)
        except (OSError, tarfile.TarError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise OwnFileError("missing_file", f"{name} cannot be read: {reason}") from error

    def _inside(self, name: str) -> Path:
        """The real path of `name`, links followed, which must lie below the root."""
        base = self._root if self._root.is_dir() else self._root.parent
        if not name or "\0" in name:
            raise OwnFileError("missing_file", "The url names no file")
        path = (base / name).resolve()
        allowed = path.is_relative_to(self._root) if base == self._root else path == self._root
        if not allowed:
            raise OwnFileError("missing_file", f"{name} lies outside of {self._root}, which is all that may be read")
        if not path.is_file():
            raise OwnFileError("missing_file", f"There is no file {name} in {base}")
        return path

    def _read_file(self, path: Path) -> bytes:
        with path.open("rb") as file:
            content = file.read(self._max_bytes + 1)
        self._check_size(len(content))
        return content

    def _read_member(self, path: Path, key: str) -> bytes:
        member = self._index(path).get(key)
        if member is None:
            raise OwnFileError("missing_file", f"{path.name} has no photo with the key {key}")
        self._check_size(member.size)
        if member.offset < 0:
            with tarfile.open(path) as tar:
                stream = tar.extractfile(member.name)
                content = stream.read() if stream is not None else b""
        else:
            with path.open("rb") as file:
                file.seek(member.offset)
                content = file.read(member.size)
        if len(content) != member.size:
            raise OwnFileError("missing_file", f"{path.name} ends inside {member.name}")
        return content

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise OwnFileError("too_many_bytes", f"more than {self._max_bytes:,} bytes")

    def _index(self, path: Path) -> dict[str, _Member]:
        """Photos of a tar by key: the name up to the first dot of its last part, as webdataset cuts it."""
        with self._lock:
            if path not in self._indexes:
                self._indexes[path] = _photos_of(path)
            return self._indexes[path]


def _photos_of(path: Path) -> dict[str, _Member]:
    photos: dict[str, _Member] = {}
    with tarfile.open(path) as tar:
        plain = type(tar.fileobj).__name__ in ("BufferedReader", "FileIO")
        for member in tar:
            folder, slash, last = member.name.rpartition("/")
            stem, _, ending = last.partition(".")
            if member.isreg() and ending.lower() in PHOTO_ENDINGS:
                offset = member.offset_data if plain and not member.issparse() else -1
                photos.setdefault(f"{folder}{slash}{stem}", _Member(member.name, offset, member.size))
    return photos
