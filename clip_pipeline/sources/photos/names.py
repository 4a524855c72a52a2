"""Which photo of a folder a caption file or a split list means, however it writes its name; and the ids of photos."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import overload

PHOTO_ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".jp2", ".ppm", ".pgm"),
    *(
        ".jfif",
        ".jpe",
        ".apng",
        ".dib",
        ".j2k",
        ".jpx",
    ),  # the other names of kinds that are decoded; browsers save .jfif
)


SAME_KIND = dict.fromkeys((".jpeg", ".jpe", ".jfif"), ".jpg") | {".tiff": ".tif"}
"""Endings of one kind of file; another kind may be another image."""


def is_photo_name(name: str) -> bool:
    """Whether the name ends as a photo's does; upper and lower case are the same."""
    return name.strip().lower().endswith(PHOTO_ENDINGS)


def photo_ids(names: Sequence[str]) -> list[str]:
    """Each path without its ending; with its ending where two paths would get the same id."""
    stems = [posixpath.splitext(name)[0] if is_photo_name(name) else name for name in names]
    taken = Counter([*stems, *(name for name, stem in zip(names, stems, strict=True) if name != stem)])
    return [stem if taken[stem] == 1 else name for name, stem in zip(names, stems, strict=True)]


class NumberedNames(Sequence[str]):
    """Row numbers as names, after what stands before them, for photos that have no names of their own; none is stored."""

    def __init__(self, count: int, before: str = ""):
        self._numbers, self._before = range(count), before

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [f"{self._before}{number}" for number in self._numbers[row]]
        return f"{self._before}{self._numbers[row]}"


class PhotoFinder:
    """Finds the photo that a caption file or a split list means: by its path, its base name, or either without ending; and where none is
    meant so, by the same in another case or with another ending of the same kind (.jpeg for .jpg), as Windows leaves it."""

    def __init__(self, names: Iterable[str]):
        self._paths: dict[str, str] = {}
        self._others: dict[str, str | None] = {}
        self._loosely: dict[str, str | None] = {}
        for name in names:
            self._paths[_plain(name)] = name
            base = posixpath.basename(name)
            for other in {base, posixpath.splitext(name)[0], posixpath.splitext(base)[0]}:
                # None marks a name that two photos share: which one was meant is unknown
                self._others[_plain(other)] = name if _plain(other) not in self._others else None

    def find(self, *written: str) -> str | None:
        """The photo's path for the first of the writings that means one; None if none does."""
        keys = [_plain(posixpath.normpath(one.replace("\\", "/"))) for one in written]
        return self._find_exactly(keys) or self._find_loosely(keys)

    def _find_loosely(self, keys: Sequence[str]) -> str | None:
        if not self._loosely:
            for name in self._paths.values():
                base = posixpath.basename(name)
                for other in {
                    _loose(one) for one in (name, base, posixpath.splitext(name)[0], posixpath.splitext(base)[0])
                }:
                    self._loosely[other] = name if other not in self._loosely else None
        return next((meant for key in keys if (meant := self._loosely.get(_loose(key)))), None)

    def _find_exactly(self, keys: Sequence[str]) -> str | None:
        for known in (self._paths, self._others):
            for key in keys:
                if known.get(key):
                    return known[key]
        for key in keys:  # a path that begins above the folder: /home/someone/images/1.jpg, images/1.jpg
            parts = key.split("/")
            for start in range(1, len(parts)):
                if name := self._paths.get("/".join(parts[start:])):
                    return name
        return None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _loose(name: str) -> str:
    stem, ending = posixpath.splitext(_plain(name).casefold())
    return stem + SAME_KIND.get(ending, ending)


def path_inside(folder: Path, written: str) -> str:
    """The path inside the folder, with `/`; a path that leads out of it as it is, for nobody to follow."""
    path = PurePosixPath(written.replace("\\", "/"))
    if path.is_absolute():
        root = PurePosixPath(folder.absolute().as_posix())
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return posixpath.normpath(path.as_posix())
