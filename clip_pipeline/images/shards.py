"""Webdataset tars: photos with their captions, the same bytes for the same samples."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from clip_pipeline.errors import PhotosError

MEMBER_MODE = 0o644


def write_shard(path: Path, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> int:
    """Writes (key, {ending: bytes}) samples, sorted by key and ending; returns how many.

    Members of one key lie together, as webdataset wants; times, owners and modes are fixed, so equal samples give equal
    bytes. Raises ValueError for a key with a dot: webdataset takes the key up to the first dot.
    """
    written = 0
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in sorted(samples, key=lambda sample: sample[0]):
            if "." in key or "/" in key:
                raise ValueError(f"{key!r} cannot be a key: it has a dot or a slash")
            for ending, content in sorted(members.items()):
                entry = tarfile.TarInfo(f"{key}.{ending}")
                entry.size, entry.mode, entry.mtime = len(content), MEMBER_MODE, 0
                tar.addfile(entry, io.BytesIO(content))
            written += 1
    return written


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(key, {ending: bytes}) of every sample, in the order of the tar. Raises PhotosError for a tar that is cut."""
    try:
        with tarfile.open(path, "r:") as tar:
            key = ""
            members: dict[str, bytes] = {}
            for entry in tar:
                if not entry.isfile():
                    continue
                name, _, ending = entry.name.removeprefix("./").partition(".")
                if name != key and members:
                    yield key, members
                    members = {}
                key = name
                content = tar.extractfile(entry)
                members[ending.lower()] = content.read() if content else b""
            _check_end(path, tar.offset)
            if members:
                yield key, members
    except tarfile.TarError as error:
        raise PhotosError(f"{path} is no whole tar ({error}). Make or download it again.") from error


def _check_end(path: Path, offset: int) -> None:
    """Raises TarError without the block of zeros that ends a tar: tarfile itself takes a cut or damaged header for the end."""
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError(f"it breaks off at byte {offset:,}")


def read_photos(paths: Iterable[Path], id_of: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """(photo id, JPEG bytes) of the photos whose keys `id_of` names, shard after shard."""
    for path in paths:
        for key, members in read_shard(path):
            if key in id_of:
                yield id_of[key], members["jpg"]
