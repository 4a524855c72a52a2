"""The files in a tar and where each lies, by its headers alone: links are followed, and what cannot be taken is counted."""

from __future__ import annotations

import logging
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.unpacked_tars import plain_tar
from clip_pipeline.sources.tar_stream import TAR_ERRORS, tar_entries

logger = logging.getLogger(__name__)

MAX_LINKS = 40
"""A link may lead to a link; as many as Linux follows."""

UNNAMEABLE = "member whose name is no UTF-8"
SPARSE = "member with holes (tar --sparse)"
LOST_LINK = "link to what is not in the tar"


class TarPlace(NamedTuple):
    """Where one member's bytes lie: offset and size in bytes."""

    offset: int
    size: int


def tar_members(path: Path, ended: bool = False, left_out: LeftOut | None = None) -> Iterator[tuple[str, TarPlace]]:
    """Name and place of each file in a tar, in its order, by its headers alone; then those of its links, hard and symbolic, to
    files that are in it too (GNU tar writes a file that has two names as a link).

    left_out: counts what is not given: links that lead elsewhere, members with holes, whose bytes do not lie in one piece, and names
    that are no UTF-8; without it they are a warning. The places of a packed tar
    are those in `plain_tar`. Raises PhotosError for a tar that is cut or damaged.

    ended: the tar must have the block of zeros at its end, without which it may have been cut between two members; else that
    is a warning: tars of one's own are made by many programs.
    """
    lost = LeftOut() if left_out is None else left_out
    links: dict[str, str] = {}
    plain = plain_tar(path)
    try:
        yield from _files(plain, ended, links, lost, path)
        if links:
            yield from _linked_files(plain, links, lost)
    except TAR_ERRORS as problem:
        raise PhotosError(f"{path} is no whole tar ({str(problem)[:100]}). Make or download it again.") from None
    if left_out is None:
        lost.say(str(path))


def _files(
    path: Path, ended: bool, links: dict[str, str], lost: LeftOut, given: Path
) -> Iterator[tuple[str, TarPlace]]:
    """The files themselves; names and targets of links go into `links`. given: the tar as people know it. Raises TAR_ERRORS."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as stream, tar_entries(stream) as (tar, entries):
        for entry in entries:
            if not _is_text(entry.name) or not _is_text(entry.linkname):
                lost.add(UNNAMEABLE, int(entry.isfile()), ascii(entry.name))
            elif entry.islnk() or entry.issym():
                links[entry.name] = _target(entry)
            elif entry.issparse():  # the header tells the size of the file, of which less lies in the tar
                lost.add(SPARSE, 1, entry.name)
                end = tar.offset
                continue
            end = entry.offset_data + entry.size
            if entry.isfile() and _is_text(entry.name) and end <= size:
                yield entry.name, TarPlace(entry.offset_data, entry.size)
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
    if not after:
        logger.warning("%s has no mark at its end: it may have been cut between two samples", given)


def _is_text(name: str) -> bool:
    return name.encode("utf-8", "ignore").decode() == name


def _target(entry: tarfile.TarInfo) -> str:
    """The name in the tar that a link leads to; a symbolic one starts from its own folder, a hard one from the top."""
    start = posixpath.dirname(entry.name) if entry.issym() else ""
    return posixpath.normpath(posixpath.join(start, entry.linkname))


def _linked_files(path: Path, links: Mapping[str, str], lost: LeftOut) -> Iterator[tuple[str, TarPlace]]:
    """The links that lead to a file of the tar, whose headers are read once more: no name of a tar without links is kept."""
    target_of = {posixpath.normpath(name): target for name, target in links.items()}
    ends = {name: _end_of(target, target_of) for name, target in links.items()}
    wanted, places = set(ends.values()), dict[str, TarPlace]()
    with path.open("rb") as stream, tar_entries(stream) as (_, entries):
        for entry in entries:
            if entry.isfile() and not entry.issparse() and posixpath.normpath(entry.name) in wanted:
                places.setdefault(posixpath.normpath(entry.name), TarPlace(entry.offset_data, entry.size))
    for name, end in ends.items():
        if end in places:
            yield name, places[end]
        else:
            lost.add(LOST_LINK, 1, f"{name} -> {links[name]}")


def _end_of(name: str, target_of: Mapping[str, str]) -> str:
    for _ in range(MAX_LINKS):
        if name not in target_of:
            return name
        name = target_of[name]
    return name
