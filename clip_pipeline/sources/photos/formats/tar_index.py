"""Where each member of a tar lies: the one reader of tars, of the user's own and of the shards that are made here."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.sources.photos.formats.tar_keys import (
    TarIndex,
    by_sample,
    photo_ending,
    photo_place,
    split_member_name,
)
from clip_pipeline.sources.photos.formats.tar_members import TarPlace, tar_members
from clip_pipeline.sources.photos.formats.tar_paths import tar_stem
from clip_pipeline.sources.photos.formats.unpacked_tars import plain_tar

ENDINGS = {
    **{"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"},
    **{"AVIF": "avif", "JPEG2000": "jp2", "PPM": "ppm"},
}
"""Endings of the members that are written here, by the kind of photo."""


def read_tar_index(path: Path, ended: bool = False) -> TarIndex:
    """Places of all members of a tar, by its headers alone; as `tar_members`."""
    left_out = LeftOut()
    return by_sample(tar_members(path, ended, left_out), left_out)


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


def read_place(path: Path, place: TarPlace) -> bytes:
    """The bytes at a place of a tar, which may be packed."""
    with plain_tar(path).open("rb") as stream:
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
    """`TAR/KEY`: without `.tar` or `.tar.gz`, and without the `./` that `tar cf x.tar .` puts before every name."""
    return f"{tar_stem(tar_name)}/{key.removeprefix('./')}"
