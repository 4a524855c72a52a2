"""Which tars a path means: one, a folder of them, or a pattern such as tars/{00000..00012}.tar."""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.bounded import read_bytes
from clip_pipeline.sources.photos.names import is_photo_name

BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")
_ENDING = r"\.(?:tar(?:\.(?:gz|bz2|xz|zst))?|tgz|tbz2?|txz|tzst)"
TAR_ENDING = re.compile(rf"{_ENDING}\Z", re.IGNORECASE)
TAR_URL = re.compile(rf"tar:(.+?{_ENDING})#(.+)", re.IGNORECASE | re.DOTALL)
SHARDS_FILE, MAX_SHARDS_FILE_BYTES = "nshards.txt", 1000
BEYOND_SHARDS = "tar beyond the number in nshards.txt"
PACKED_TWIN = "packed tar beside the same one, unpacked or packed otherwise"
MAX_NAMES = 1_000_000


def is_tar_name(name: str) -> bool:
    """Whether a file of that name is a tar, packed or not."""
    return TAR_ENDING.search(name) is not None


def tar_stem(name: str) -> str:
    """The name without the ending of a tar, packed or not, else without what follows its last dot."""
    return without_tar_ending(name) if is_tar_name(name) else posixpath.splitext(name)[0]


def without_tar_ending(name: str) -> str:
    """The name without the ending of a tar, packed or not; any other as it is."""
    return TAR_ENDING.sub("", name)


def is_tar_pattern(path: Path) -> bool:
    """Whether the path is none that exists, but a pattern with braces, stars or question marks, or several with :: between."""
    # os.path: a list of many numbers is longer than a name may be, which Path.exists raises
    return bool(re.search(r"[{*?\[]|::", str(path))) and not os.path.exists(path)  # noqa: PTH110


def tar_root(path: Path) -> Path:
    """What the names of `find_tars` are below: the folder, the tar itself, or of a pattern the folder that all share."""
    if not is_tar_pattern(path):
        return path
    return Path(os.path.commonpath([tar.absolute().parent for tar in _expanded(path)]))


def find_tars(path: Path, left_out: LeftOut | None = None) -> list[str]:
    """Names of the tars in a folder or one folder down, with `/`, in order; of a tar its own name, of a pattern those below
    `tar_root`.

    Numbered tars are in the order of their numbers. Of a.tar and a.tar.gz the first is taken, and the other counted; so are those beyond the number in nshards.txt in left_out, or a warning
    where that is None. Raises PhotosError where there is none, and for a tar that a range
    names and that is not there.
    """
    if is_tar_pattern(path):
        root = tar_root(path)
        names = [tar.absolute().relative_to(root).as_posix() for tar in _expanded(path)]
        return _one_of_each(sorted(set(names), key=_tar_order), path, left_out)
    if path.is_file():
        if not is_tar_name(path.name):
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
    tars = sorted((name for name in names if is_tar_name(name)), key=_tar_order)
    if not tars:
        raise PhotosError(f"{path} holds no .tar files. Give a webdataset tar or the folder that holds the tars.")
    return _as_many_as_said(_one_of_each(tars, path, left_out), path, left_out)


def _one_of_each(names: list[str], path: Path, left_out: LeftOut | None) -> list[str]:
    """One of those that are called the same but for how they are packed (a.tar and a.tar.gz), whose photos would have the same ids."""
    taken: dict[str, str] = {}
    for name in sorted(names, key=lambda name: not name.lower().endswith(".tar")):
        taken.setdefault(tar_stem(name) if is_tar_name(name) else name, name)
    kept, lost = set(taken.values()), LeftOut()
    for name in names:
        lost.add(PACKED_TWIN, int(name not in kept), name)
    lost.hand_on(left_out, str(path))
    return [name for name in names if name in kept]


def _as_many_as_said(names: list[str], root: Path, left_out: LeftOut | None) -> list[str]:
    """The tars that count where a folder says how many there are (nshards.txt, of CLIP_benchmark's layout): a left-over one would be scored
    too, and one that was not copied would be missed by nobody. Raises PhotosError for one that is not there."""
    kept, lost = [], LeftOut()
    for folder, found in itertools.groupby(names, posixpath.dirname):
        inside = list(found)
        said = _shards_said(root / folder / SHARDS_FILE)
        numbers = {name: int(stem) for name in inside if (stem := posixpath.basename(tar_stem(name))).isdecimal()}
        if said is None or len(numbers) < len(inside):
            kept += inside
            continue
        absent = sorted(set(range(said)) - set(numbers.values()))
        if absent:
            raise PhotosError(
                f"{root / folder / SHARDS_FILE} says that there are {said:,} tars, and {len(absent):,} of them are not there, the first is "
                f"{absent[0]}.tar. Copy or download the rest, or correct the number."
            )
        beyond = [name for name in inside if numbers[name] >= said]
        lost.add(BEYOND_SHARDS, len(beyond), next(iter(beyond), ""))
        kept += [name for name in inside if name not in beyond]
    lost.hand_on(left_out, str(root))
    return kept


def _shards_said(path: Path) -> int | None:
    """The number in the file; None where there is none, or something else."""
    if not path.is_file():
        return None
    text = read_bytes(path, PhotosError, MAX_SHARDS_FILE_BYTES).decode("utf-8", "replace").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) and int(text) <= MAX_NAMES else None


def holds_tars(folder: Path) -> bool:
    """Whether a folder is one of tars, or of folders of them, rather than of photos. Packed ones are not looked for: an archive is often kept
    beside what it was unpacked to."""
    if any(entry.is_file() and is_photo_name(entry.name) for entry in folder.iterdir()):
        return False
    return any(any(folder.glob(pattern)) for pattern in ("*.[tT][aA][rR]", "*/*.[tT][aA][rR]"))


def holds_packed_tars(folder: Path) -> bool:
    """Whether packed tars lie in a folder, or one folder down."""
    return any(is_tar_name(one.name) and one.is_file() for pattern in ("*", "*/*") for one in folder.glob(pattern))


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
    stem = posixpath.basename(tar_stem(name))
    return posixpath.dirname(name), int(stem) if stem.isdecimal() else -1, name


def parse_tar_url(url: str) -> tuple[str, str]:
    """(tar name, key) of `tar:TAR#KEY`. Raises ValueError for anything else."""
    found = TAR_URL.fullmatch(url)
    if found is None:
        raise ValueError(f"{url!r} is no tar:NAME.tar#KEY")
    return found[1], found[2]
