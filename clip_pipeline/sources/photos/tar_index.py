"""Where each member of a webdataset tar lies, and its photos' bytes without reading the rest."""

from __future__ import annotations

import hashlib
import logging
import posixpath
import tarfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clip_pipeline.errors import PhotosError

logger = logging.getLogger(__name__)

TAR_PHOTO_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
PACKED_BEGINNINGS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""Of gzip, bzip2, xz and zstd."""

TAR_ERRORS = (tarfile.TarError, EOFError, OverflowError, ValueError, RecursionError)
"""What tarfile raises over damage; the last two over numbers that are none, and over headers of headers of headers."""


@dataclass(frozen=True)
class TarPlace:
    """Where one member's bytes lie: offset and size in bytes."""

    offset: int
    size: int


TarIndex = dict[str, dict[str, TarPlace]]
"""Places by key and ending, in the order of the tar. The key is the name up to the first dot of its last part."""


def read_tar_index(path: Path) -> TarIndex:
    """Places of all members of a tar, by its headers alone; names that are no UTF-8 are left out with a warning. Raises
    PhotosError for a tar that is packed, cut or damaged."""
    return by_sample(tar_members(path))


def by_sample(members: Iterable[tuple[str, TarPlace]]) -> TarIndex:
    """Names and places as webdataset groups them."""
    index: TarIndex = {}
    for name, place in members:
        key, ending = split_member_name(name)
        if key:
            # the first member of a name wins, as it does for a reader that goes through the tar once
            index.setdefault(key, {}).setdefault(ending, place)
    return index


def tar_members(path: Path) -> Iterator[tuple[str, TarPlace]]:
    """Name and place of each file in a tar, in its order, by its headers alone; as `read_tar_index`."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(6).startswith(PACKED_BEGINNINGS):
            raise PhotosError(
                f"{path} is compressed, so its photos cannot be reached one by one. Unpack it with gunzip first."
            )
    end = unnameable = 0
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every header it has read: 1 KB each
                if entry.size < 0:
                    raise tarfile.ReadError("a member of a negative size")
                end = entry.offset_data + entry.size
                if entry.isfile() and not entry.issparse() and end <= size:
                    if _is_text(entry.name):
                        yield entry.name, TarPlace(entry.offset_data, entry.size)
                    else:
                        unnameable += 1
            stopped = tar.offset
    except TAR_ERRORS as problem:
        raise PhotosError(f"{path} is no whole tar ({str(problem)[:100]}). Make or download it again.") from None
    after = size - (end + -end % tarfile.BLOCKSIZE)  # bytes that follow the last member: none, or whole blocks
    if end > size or 0 < after < tarfile.BLOCKSIZE:
        raise PhotosError(f"{path} is cut: it ends after {size:,} bytes within a member. Make or download it again.")
    with path.open("rb") as stream:  # tarfile takes a damaged header for the end
        stream.seek(stopped)
        if any(stream.read(tarfile.BLOCKSIZE)):
            raise PhotosError(
                f"{path} is damaged: at byte {stopped:,} a header was expected. Make or download it again."
            )
    if not after:
        logger.warning("%s has no mark at its end: it may have been cut between two samples", path)
    if unnameable:
        logger.warning("%s: left out %d members whose names are no UTF-8", path, unnameable)


def _is_text(name: str) -> bool:
    return name.encode("utf-8", "ignore").decode() == name


def split_member_name(name: str) -> tuple[str, str]:
    """(key, ending in lower case) of a member: the key runs up to the first dot of the last part of the path."""
    folder, slash, base = name.rpartition("/")
    key, _, ending = base.partition(".")
    return (f"{folder}{slash}{key}", ending.lower()) if key else ("", "")


def photo_place(members: dict[str, TarPlace]) -> TarPlace | None:
    """Where the photo of a sample lies, None where it has none."""
    return next((members[ending] for ending in TAR_PHOTO_ENDINGS if ending in members), None)


def read_place(path: Path, place: TarPlace) -> bytes:
    """The bytes at a place of a tar."""
    with path.open("rb") as stream:
        stream.seek(place.offset)
        return stream.read(place.size)


class _PhotoPlaces:
    """Places of a tar's photos by a hash of the key, in arrays: 24 bytes a photo, however long its key."""

    def __init__(self, index: TarIndex):
        places = {_hashed(key): place for key, members in index.items() if (place := photo_place(members))}
        keys = sorted(places)
        self._keys = np.array(keys, np.uint64)
        self._places = np.array([(places[key].offset, places[key].size) for key in keys], np.int64).reshape(-1, 2)

    def find(self, key: str) -> TarPlace | None:
        hashed = _hashed(key)
        row = int(np.searchsorted(self._keys, hashed))
        if row == len(self._keys) or self._keys[row] != hashed:
            return None
        offset, size = self._places[row].tolist()
        return TarPlace(offset, size)


def _hashed(key: str) -> np.uint64:
    # of 64 bits two are alike once in 15 billion tars of 50,000 photos
    return np.uint64(int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()))


_PLACES: dict[tuple[str, int, int], _PhotoPlaces] = {}
_PLACES_LOCK = threading.Lock()


def find_photo(path: Path, key: str) -> TarPlace | None:
    """Where a sample's photo lies, None where there is none. The first call for a tar reads its headers, later ones do not, until
    its size or time changes; threads may call at once. Raises PhotosError for a broken tar."""
    state = path.stat()
    name = (str(path.absolute()), state.st_size, state.st_mtime_ns)
    with _PLACES_LOCK:  # one thread reads the headers, the others wait for them
        if name not in _PLACES:
            _PLACES[name] = _PhotoPlaces(read_tar_index(path))
        return _PLACES[name].find(key)


def sample_id(tar_name: str, key: str) -> str:
    """`TAR/KEY`: without `.tar`, and without the `./` that `tar cf x.tar .` puts before every name."""
    return f"{posixpath.splitext(tar_name)[0]}/{key.removeprefix('./')}"
