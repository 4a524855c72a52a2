"""Photos among the user's own files: `file:NAME` below a root folder, and `tar:TAR#KEY` inside webdataset tars."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.tar_index import find_photo, read_place
from clip_pipeline.sources.photos.formats.tar_paths import parse_tar_url

UNREADABLE = "cannot be read"
"""In the reason of a file that is there."""


class LocalPhotoError(Exception):
    """A file cannot be given; `status` is one of records.PHOTO_STATUSES."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


class LocalPhotos:
    """Reads photos below `root`, and nothing outside of it; safe to use from many threads.

    root: a folder, or one file (a single tar), which then is the only one that can be read.
    """

    def __init__(self, root: Path, max_bytes: int):
        self._root = root.expanduser().resolve()
        self._max_bytes = max_bytes

    def read(self, url: str) -> bytes:
        """The bytes of a `file:` or `tar:` url. Raises LocalPhotoError with the status of the photo."""
        try:
            if url.startswith("tar:"):
                return self._read_member(*parse_tar_url(url))
            return self._read_file(self._inside(url.removeprefix("file:")))
        except OSError as error:
            raise LocalPhotoError("missing_file", f"{url} {UNREADABLE}: {error.strerror or error}") from error
        except (PhotosError, ValueError) as error:
            raise LocalPhotoError("missing_file", str(error)) from error

    def _inside(self, name: str) -> Path:
        """The real path of `name`, links followed, which must lie below the root."""
        base = self._root if self._root.is_dir() else self._root.parent
        if not name or "\0" in name:
            raise LocalPhotoError("missing_file", "The url names no file")
        path = (base / name).resolve()
        allowed = path.is_relative_to(self._root) if base == self._root else path == self._root
        if not allowed:
            raise LocalPhotoError("missing_file", f"{name} lies outside of {self._root}, which is all that may be read")
        if not path.is_file():
            raise LocalPhotoError("missing_file", f"There is no file {name} in {base}")
        return path

    def _read_file(self, path: Path) -> bytes:
        with path.open("rb") as file:
            content = file.read(self._max_bytes + 1)
        self._check_size(len(content))
        return content

    def _read_member(self, tar_name: str, key: str) -> bytes:
        path = self._inside(tar_name)
        place = find_photo(path, key)
        if place is None:
            raise LocalPhotoError("missing_file", f"{tar_name} has no photo with the key {key}")
        self._check_size(place.size)
        return read_place(path, place)

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise LocalPhotoError("too_many_bytes", f"more than {self._max_bytes:,} bytes")
