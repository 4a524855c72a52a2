"""Which tars a path means: one, a folder of them, or a pattern such as tars/{00000..00012}.tar."""

from __future__ import annotations

import itertools
import logging
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.names import is_photo_name

logger = logging.getLogger(__name__)

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
TAR_URL = re.compile(r"tar:(.+?\.tar)#(.+)", re.IGNORECASE | re.DOTALL)
PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
MAX_NAMES = 1_000_000


def is_tar_pattern(path: Path) -> bool:
    """Whether the path is none that exists, but a pattern with braces, stars or question marks, or several with :: between."""
    # os.path: a list of many numbers is longer than a name may be, which Path.exists raises
    return bool(re.search(r"[{*?\[]|::", str(path))) and not os.path.exists(path)  # noqa: PTH110


def tar_root(path: Path) -> Path:
    """What the names of `find_tars` are below: the folder, the tar itself, or of a pattern the folder that all share."""
    if not is_tar_pattern(path):
        return path
    return Path(os.path.commonpath([tar.absolute().parent for tar in _expanded(path)]))


def find_tars(path: Path) -> list[str]:
    """Names of the tars in a folder or one folder down, with `/`, in order; of a tar its own name, of a pattern those below
    `tar_root`.

    Numbered tars are in the order of their numbers. Raises PhotosError where there is none, and for a tar that a range
    names and that is not there.
    """
    if is_tar_pattern(path):
        root = tar_root(path)
        return sorted({tar.absolute().relative_to(root).as_posix() for tar in _expanded(path)}, key=_tar_order)
    if path.is_file():
        if not path.name.lower().endswith((".tar", *PACKED)):
            raise PhotosError(
                f"{path} is no folder, and does not end in .tar. Give a folder of photos or of webdataset tars, or one tar; a tar by "
                "another ending must be renamed."
            )
        return [path.name]
    if not path.is_dir():
        raise PhotosError(f"There is no {path}. Give a webdataset tar or the folder that holds the tars.")
    inside = [one for pattern in ("*", "*/*") for one in path.glob(pattern) if one.is_file()]
    names = [one.relative_to(path).as_posix() for one in inside]
    names = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    tars = sorted((name for name in names if name.lower().endswith(".tar")), key=_tar_order)
    packed = sorted(name for name in names if name.lower().endswith(PACKED))
    if not tars and packed:
        raise PhotosError(
            f"{path} holds packed tars ({packed[0]}), whose photos cannot be reached one by one. Unpack them first, such as "
            f"with gunzip *.tar.gz."
        )
    if not tars:
        raise PhotosError(f"{path} holds no .tar files. Give a webdataset tar or the folder that holds the tars.")
    if packed:
        logger.warning("%s: left out %d packed tars, the first is %s", path, len(packed), packed[0])
    return tars


def holds_tars(folder: Path) -> bool:
    """Whether a folder is one of tars, or of folders of them, rather than of photos."""
    if any(entry.is_file() and is_photo_name(entry.name) for entry in folder.iterdir()):
        return False
    return any(any(folder.glob(pattern)) for pattern in ("*.[tT][aA][rR]", "*/*.[tT][aA][rR]"))


def tar_path(root: Path, name: str) -> Path:
    """The tar of `find_tars` that is called so below `tar_root`."""
    return root if root.is_file() else root / name


def _expanded(pattern: Path) -> list[Path]:
    names = list(itertools.islice(_alternatives(str(pattern)), MAX_NAMES))
    found, absent = [], []
    for name in names:
        tar = Path(name).expanduser()
        if tar.is_file():
            found.append(tar)
        elif matches := _matches(tar):
            found.extend(matches)
        else:
            absent.append(name)
    if absent:
        raise PhotosError(
            f"{len(absent):,} of the {len(names):,} tars of {pattern} are not there, the first is {absent[0]}. "
            "Correct the range, or get them."
        )
    return found


def _matches(pattern: Path) -> list[Path]:
    """Files of a name with stars or question marks, in any part of it."""
    if not re.search(r"[*?\[]", str(pattern)):
        return []
    start = Path(pattern.anchor or ".")
    return [one for one in start.glob(str(pattern.relative_to(pattern.anchor))) if one.is_file()]


def _alternatives(pattern: str) -> Iterator[str]:
    """Every name of a pattern with {00000..00012}, {a,b} and ::, as webdataset reads them."""
    for part in pattern.split("::"):
        found = BRACES.search(part)
        if found is None:
            yield part
            continue
        if limits := RANGE.fullmatch(found[1]):
            first, last = int(limits[1]), int(limits[2])
            inner: Iterator[str] = (f"{number:0{len(limits[1])}d}" for number in range(first, last + 1))
        else:
            inner = iter(found[1].split(","))
        for one in inner:
            yield from _alternatives(part[: found.start()] + one + part[found.end() :])


def _tar_order(name: str) -> tuple[str, int, str]:
    stem = posixpath.basename(name)[: -len(".tar")]
    return posixpath.dirname(name), int(stem) if stem.isdecimal() else -1, name


def parse_tar_url(url: str) -> tuple[str, str]:
    """(tar name, key) of `tar:TAR#KEY`. Raises ValueError for anything else."""
    found = TAR_URL.fullmatch(url)
    if found is None:
        raise ValueError(f"{url!r} is no tar:NAME.tar#KEY")
    return found[1], found[2]
