"""Where each member of a tar lies: the one reader of tars, of the user's own and of the shards that are made here."""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
import tarfile
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.names import PHOTO_ENDINGS
from clip_pipeline.sources.tar_stream import TAR_ERRORS, tar_entries

logger = logging.getLogger(__name__)

ENDINGS = {
    **{"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"},
    **{"AVIF": "avif", "JPEG2000": "jp2", "PPM": "ppm"},
}
"""Endings of the members that are written here, by the kind of photo."""

TAR_PHOTO_ENDINGS = tuple(ending.removeprefix(".") for ending in PHOTO_ENDINGS)
PACKED_BEGINNINGS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""Of gzip, bzip2, xz and zstd."""


class TarPlace(NamedTuple):
    """Where one member's bytes lie: offset and size in bytes."""

    offset: int
    size: int


TarIndex = dict[str, dict[str, TarPlace]]
"""Places by key and ending, in the order of the tar. The key is the name up to the first dot of its last part."""


def read_tar_index(path: Path, ended: bool = False) -> TarIndex:
    """Places of all members of a tar, by its headers alone; as `tar_members`."""
    return by_sample(tar_members(path, ended))


def by_sample(members: Iterable[tuple[str, TarPlace]]) -> TarIndex:
    """Names and places as webdataset groups them."""
    index: TarIndex = {}
    for name, place in members:
        key, ending = split_member_name(name)
        if key:
            # the first member of a name wins, as it does for a reader that goes through the tar once
            index.setdefault(key, {}).setdefault(ending, place)
    return index


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, {ending: bytes}) of every sample of a tar that ends as it should, in its order; a `./` before a key is left out.
    Raises PhotosError as `tar_members`."""
    key = ""
    members: dict[str, bytes] = {}
    with path.open("rb") as stream:
        for name, place in tar_members(path, ended=True):
            found, ending = split_member_name(name.removeprefix("./"))
            if found != key and members:
                yield key, members
                members = {}
            key = found
            if key:
                members[ending] = os.pread(stream.fileno(), place.size, place.offset)
        if members:
            yield key, members


def read_photos(paths: Iterable[Path], id_of: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """(photo id, bytes) of the photos whose keys `id_of` names, tar after tar. Raises PhotosError as `read_shard`, and for a
    named sample without a photo."""
    for path in paths:
        for key, members in read_shard(path):
            if key in id_of:
                yield id_of[key], members[photo_ending(members)]


def tar_members(path: Path, ended: bool = False) -> Iterator[tuple[str, TarPlace]]:
    """Name and place of each file in a tar, in its order, by its headers alone; names that are no UTF-8 are left out with a
    warning. Raises PhotosError for a tar that is packed, cut or damaged.

    ended: the tar must have the block of zeros at its end, without which it may have been cut between two members; else that
    is a warning: tars of one's own are made by many programs.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(6).startswith(PACKED_BEGINNINGS):
            raise PhotosError(
                f"{path} is compressed, so its photos cannot be reached one by one. Unpack it with gunzip first."
            )
    end = unnameable = 0
    try:
        with path.open("rb") as stream, tar_entries(stream) as (tar, entries):
            for entry in entries:
                end = entry.offset_data + entry.size
                if entry.isfile() and not entry.issparse() and end <= size:
                    if _is_text(entry.name):
                        yield entry.name, TarPlace(entry.offset_data, entry.size)
                    else:
                        unnameable += 1
            stopped = tar.offset
        after = size - (end + -end % tarfile.BLOCKSIZE)  # bytes that follow the last member: none, or whole blocks
        if end > size or 0 < after < tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"it is cut: it ends after {size:,} bytes within a member")
        with path.open("rb") as stream:
            stream.seek(stopped)
            mark = stream.read(tarfile.BLOCKSIZE)
        if any(mark):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError(f"it is damaged: at byte {stopped:,} a header was expected")
        if ended and len(mark) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError(f"it breaks off at byte {stopped:,}")
    except TAR_ERRORS as problem:
        raise PhotosError(f"{path} is no whole tar ({str(problem)[:100]}). Make or download it again.") from None
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


def photo_ending(members: Collection[str]) -> str:
    """The ending of the photo among those of a sample, whatever kind it is stored in. Raises PhotosError without one."""
    for ending in TAR_PHOTO_ENDINGS:
        if ending in members:
            return ending
    raise PhotosError(
        f"A sample holds no photo, only {', '.join(members)}. Expected one of {', '.join(TAR_PHOTO_ENDINGS)}."
    )


def photo_place(members: Mapping[str, TarPlace]) -> TarPlace | None:
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
