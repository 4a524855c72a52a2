"""Unpacks tar and zip archives that came from elsewhere: nothing is written outside of the folder, nothing is a link."""

from __future__ import annotations

import fnmatch
import functools
import gzip
import lzma
import posixpath
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import InputError, SourceError
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.photos.packed_tar import open_tar
from clip_pipeline.sources.tar_stream import TAR_ERRORS
from clip_pipeline.sources.wikimedia.compression import RatioLimit

ARCHIVE_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
ARCHIVE_ERRORS = (
    *(*TAR_ERRORS, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, lzma.LZMAError),
    *(NotImplementedError, RuntimeError),
)
"""What tarfile and zipfile raise over damage; the last of a zip with a password."""

MAX_FILES, MAX_BYTES = 5_000_000, 1 << 40
PART_ENDING = ".unpacking"


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(name: str) -> bool:
    """Whether a file of that name is one that `unpack` reads."""
    return name.lower().endswith(ARCHIVE_ENDINGS)


def unpack(archive: Path, folder: Path, wanted: Sequence[str] = ("*",)) -> list[Path]:
    """Writes the members whose names match one of the patterns (`val2017/*`) into `folder`; returns the paths.

    A member is written whole under another name and then put in place, so that a killed run leaves no half file under its
    name; one that is there in the right size is kept. Links, devices and members that lead out of the folder are left out
    with a warning. Raises SourceError for a damaged archive.
    """
    written: list[Path] = []
    left_out = LeftOut()
    _leads_inside.cache_clear()  # a link may have come into the folder since
    limit = RatioLimit(archive.name, InputError)
    limit.count(archive.stat().st_size, 0)
    try:
        with _members(archive) as members, progress(f"Unpacking {archive.name}", unit="file") as bar:
            for name, member in members:
                path = _path_inside(folder, name)
                if path is None or member is None:
                    left_out.add("member that is a link or leads out of the folder", 1, name)
                    continue
                if not any(fnmatch.fnmatchcase(name.removeprefix("./"), pattern) for pattern in wanted):
                    continue
                limit.count(0, member.size)
                if len(written) >= MAX_FILES or limit.unpacked > MAX_BYTES:
                    raise SourceError(f"{archive} unpacks to more than {MAX_BYTES:,} bytes. It is no data set of ours.")
                _write(member, path)
                written.append(path)
                bar.advance()
    except InputError as error:
        raise SourceError(f"{error} Or remove it, to download it again.") from None
    except ARCHIVE_ERRORS as error:
        raise SourceError(
            f"{archive} is damaged ({str(error).partition(chr(10))[0][:100]}). Remove it and download it again."
        ) from error
    left_out.say(archive.name)
    return written


def _path_inside(folder: Path, name: str) -> Path | None:
    """Where a member goes; None for a name that leads out of the folder, or through a link that lies in it."""
    plain = posixpath.normpath(name.replace("\\", "/"))
    if plain.startswith(("/", "../")) or plain in ("..", ".") or "\0" in plain or ":" in plain.split("/")[0]:
        return None
    path = folder / plain
    return path if not path.is_symlink() and _leads_inside(folder, path.parent) else None


@functools.lru_cache(maxsize=64)
def _leads_inside(folder: Path, place: Path) -> bool:
    """No link is ever unpacked, so what is true of a folder stays so."""
    return place.resolve().is_relative_to(folder.resolve())


def _write(member: _Member, path: Path) -> None:
    if path.is_file() and path.stat().st_size == member.size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}{PART_ENDING}")
    with member.open() as source, part.open("wb") as target:
        shutil.copyfileobj(source, target)
    if part.stat().st_size != member.size:
        raise tarfile.ReadError(f"{member.name} is shorter than the archive says")
    part.replace(path)


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, _Member | None]]]:
    """(name, what is in it), None for anything but a plain file; folders are passed over."""
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            yield _zip_members(packed)
    else:
        with open_tar(archive, InputError) as (tar, entries):
            yield _tar_members(tar, entries)


def _zip_members(packed: zipfile.ZipFile) -> Iterator[tuple[str, _Member | None]]:
    for info in packed.infolist():
        if info.is_dir():
            continue
        kind = info.external_attr >> 28  # the file type of Unix: 8 is a plain file, 0 is unknown
        yield (
            info.filename,
            _Member(info.filename, info.file_size, partial(packed.open, info)) if kind in (0, 8) else None,
        )


def _tar_members(tar: tarfile.TarFile, entries: Iterator[tarfile.TarInfo]) -> Iterator[tuple[str, _Member | None]]:
    for info in entries:
        if info.isdir():
            continue
        plain = info.isfile() and not info.issparse()
        yield info.name, _Member(info.name, info.size, partial(_open_member, tar, info)) if plain else None


def _open_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(f"{info.name} is no plain file")
    return stream
