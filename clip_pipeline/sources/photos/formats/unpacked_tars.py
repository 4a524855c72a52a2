"""Packed tars (.tar.gz, .tgz, .tar.bz2, .tar.xz, .tar.zst): unpacked once into the user's cache, where their photos are reached one by one."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.progress import progress, waiting
from clip_pipeline.sources.tables.text_files import CHUNK_BYTES, UNPACKING_ERRORS, zstd_pieces
from clip_pipeline.sources.wikimedia.compression import decompressed
from clip_pipeline.storage.cache import cached_folder, user_cache

BEGINNINGS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""A tar itself begins with a name."""

MAX_RATIO = 100
"""Unpacked bytes to packed ones, after the first 64 MB (`RatioLimit`). Photos do not pack; labels of a few bytes, which fill 1,024 in a tar,
pack some 30 times."""

FREE_BYTES = 1_000_000_000
"""Of the cache's disk, which stay free."""

BYTES_BETWEEN_LOOKS = 1 << 24
SECONDS_KEPT = 7 * 86_400
"""After the last use."""

FILE = "unpacked.tar"

_lock = threading.Lock()


def plain_tar(path: Path) -> Path:
    """The tar itself, or where it is packed, by its first bytes, what it unpacks to, which is made where it is not there yet.

    It lies in the cache (`user_cache`) as long as the packed file has this place, size and time; what nobody opened for a week goes when another one is
    unpacked. Raises PhotosError for one that is cut, damaged, unpacks without an end, or for which the disk has no room.
    """
    state = path.stat()
    with _lock:  # one thread unpacks, the others wait for it
        return _plain(path.absolute(), state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _plain(path: Path, size: int, time_ns: int) -> Path:
    with path.open("rb") as stream:
        beginning = stream.read(6)
    kind = next((kind for begins, kind in BEGINNINGS.items() if beginning.startswith(begins)), "")
    if not kind:
        return path
    root = user_cache()
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
    identity = hashlib.sha256(f"{size} {time_ns}".encode()).hexdigest()
    with waiting(f"Unpacking {path} into {root}, once"):
        folder = cached_folder(
            root, f"unpacked_tars/{digest}", identity, lambda to: _unpack_whole(path, kind, to / FILE), kept=1
        )
    os.utime(folder)
    _remove_unused(folder.parent.parent)
    return folder / FILE


def _unpack_whole(path: Path, kind: str, target: Path) -> None:
    try:
        _unpack(path, kind, target)
    except BaseException:
        target.unlink(missing_ok=True)  # gigabytes, which nobody can use
        raise


def _unpack(path: Path, kind: str, target: Path) -> None:
    written, looked = 0, 0
    with target.open("wb") as out, progress(f"Unpacking {path.name}", unit="MB") as bar:
        try:
            for piece in _pieces(path, kind):
                if written >= looked:
                    _check_room(path, target.parent)
                    looked = written + BYTES_BETWEEN_LOOKS
                out.write(piece)
                bar.advance((written + len(piece)) // 1_000_000 - written // 1_000_000)
                written += len(piece)
        except UNPACKING_ERRORS as error:
            if isinstance(error, OSError) and error.errno:
                raise  # of the disk
            raise PhotosError(f"{path} is cut or damaged ({str(error)[:100]}). Make or download it again.") from error


def _pieces(path: Path, kind: str) -> Iterator[bytes]:
    with path.open("rb") as stream:
        if kind == "zstd":
            yield from zstd_pieces(path, stream, PhotosError, MAX_RATIO)
        else:
            chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
            yield from decompressed(chunks, kind, str(path), PhotosError, MAX_RATIO)


def _check_room(path: Path, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise PhotosError(
            f"{path} is packed, and its photos are reached once it is unpacked into {user_cache()}, whose disk has {free / 1e6:,.0f} MB left, of which "
            f"{FREE_BYTES / 1e6:,.0f} stay free. Set CLIP_PIPELINE_CACHE to a folder on a larger disk, or unpack it yourself."
        )


def _remove_unused(place: Path) -> None:
    """Those that nobody has opened for a week."""
    for one in place.iterdir():
        opened = [path.stat().st_mtime for path in one.iterdir() if path.is_dir()]
        if opened and max(opened) < time.time() - SECONDS_KEPT:
            shutil.rmtree(one, ignore_errors=True)
