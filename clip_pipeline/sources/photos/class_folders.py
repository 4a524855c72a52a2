"""Which class and split each photo of a folder has by the folders that it lies in, in the forms that people publish."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clip_pipeline.sources.photos.splits import SPLIT_NAMES, split_of_folder, splits_of_folders

PILES = frozenset(("images", "image", "imgs", "img", "jpegimages", "photos", "pictures", "pics"))
"""Folders that hold photos and say nothing of them: cat/images/1.jpg, as in Tiny ImageNet."""

SPLIT_ABOVE = "lie directly in a folder of a split, in no class folder"
BESIDE_SPLITS = "lie beside the folders of the splits"
BESIDE_CLASSES = "lie beside the class folders"
BELOW_CLASSES = "lie deeper than the class folders"
NO_CLASS = "lie in a folder that is called after a split, or after photos, and no class"

Place = tuple[str, str]
"""A split, "" where there is none, and the path of a class."""


@dataclass(frozen=True)
class ClassFolders:
    """What the folders say. classes: the path of its class a photo, None for one that is left out; None where folders tell no
    classes, for the reason `why_none`. splits: as `Metadata.splits`. left_out: reason -> photos. below: the folder that all lie in."""

    classes: list[str | None] | None
    splits: list[str] | None = None
    left_out: dict[str, list[str]] = field(default_factory=dict)
    why_none: str = ""
    below: str = ""

    @property
    def names(self) -> list[str]:
        """The classes, sorted."""
        return sorted({one for one in self.classes or () if one is not None})


def sort_into_classes(names: Sequence[str]) -> ClassFolders:
    """Classes and splits of photos by their paths, which are read in these forms, the first that fits:

    - SPLIT/CLASS/x.jpg at any depth below the split, the folder of a split there once more (Kaggle's training_set/training_set);
    - CLASS/SPLIT/x.jpg;
    - CLASS/x.jpg.

    A folder around all, and `images` below a class, do not count. What lies otherwise is left out, where two classes are there and
    most photos that are in no split have one.
    """
    dirs = [_without_piles(name.split("/")[:-1]) for name in names]
    below = ""
    while (first := _around_all(dirs)) is not None:
        below, dirs = posixpath.join(below, first), [parts[1:] for parts in dirs]
    dirs = _without_repeated_splits(dirs)
    for form in (_below_splits, _above_splits, _by_themselves):
        found = form(names, dirs)
        if found is not None and (not found.left_out or len(found.names) > 1):
            return ClassFolders(found.classes, found.splits, found.left_out, below=below)
    return ClassFolders(None, splits_of_folders(names), why_none=_why_none(names, dirs))


def short_names(classes: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    """The last folder of each class's path where no two classes of a split have the same, else the whole paths.

    A class that lies elsewhere in another split is the same one (groceries: train/Vegetables/X, test/Vegetables/Mushroom/X).
    """
    paths = sorted(set(zip(splits, classes, strict=True)))
    short = {(split, posixpath.basename(path)) for split, path in paths}
    return {path: posixpath.basename(path) if len(short) == len(paths) else path for _, path in paths}


def _without_piles(parts: list[str]) -> list[str]:
    while len(parts) > 1 and parts[-1].lower() in PILES:
        parts = parts[:-1]
    return parts


def _around_all(dirs: list[list[str]]) -> str | None:
    """The folder that all photos lie in, but for a few beside it, where what is in it looks like splits or classes rather than
    months of a year."""
    inner = [parts for parts in dirs if parts]
    if len({parts[0] for parts in inner}) != 1 or any(len(parts) == 1 for parts in inner) or 2 * len(inner) < len(dirs):
        return None
    top, inside = inner[0][0], {parts[1] for parts in inner}
    if split_of_folder(top) or (len(inside) < 2 and not any(map(split_of_folder, inside)) and len(inner[0]) < 3):
        return None
    return None if top.isdigit() and all(one.isdigit() for one in inside) else top


def _without_repeated_splits(dirs: list[list[str]]) -> list[list[str]]:
    inside: dict[str, set[str]] = defaultdict(set)
    for parts in dirs:
        if parts:
            inside[parts[0]].add(parts[1] if len(parts) > 1 else "")
    repeated = {
        top
        for top, found in inside.items()
        if (split := split_of_folder(top)) and all(split_of_folder(one) == split for one in found)
    }
    return [parts[1:] if parts and parts[0] in repeated else parts for parts in dirs]


def _below_splits(names: Sequence[str], dirs: Sequence[list[str]]) -> ClassFolders | None:
    tops = {parts[0] for parts in dirs if len(parts) > 1 and split_of_folder(parts[0])}
    if not tops:
        return None

    def place(parts: list[str]) -> Place | str:
        if not parts or not split_of_folder(parts[0]):
            return BESIDE_SPLITS
        return (_as_called(parts[0]), "/".join(parts[1:])) if len(parts) > 1 else SPLIT_ABOVE

    return _sorted(names, dirs, place)


def _above_splits(names: Sequence[str], dirs: Sequence[list[str]]) -> ClassFolders | None:
    if not all(len(parts) == 2 and split_of_folder(parts[1]) for parts in dirs):
        return None
    return _sorted(names, dirs, lambda parts: (_as_called(parts[1]), parts[0]))


def _by_themselves(names: Sequence[str], dirs: Sequence[list[str]]) -> ClassFolders | None:
    tops = {parts[0] for parts in dirs if len(parts) == 1}
    called_so = {top for top in tops if split_of_folder(top)}
    # a train is a class of vehicles too, where no other folder is called after a split
    strange = (called_so if called_so != {"train"} else set()) | {top for top in tops if top.lower() in PILES}
    if len(tops) > 1 and len(tops - strange) < 2:
        return None
    if not tops or tops <= called_so:
        return None

    def place(parts: list[str]) -> Place | str:
        if not parts:
            return BESIDE_CLASSES
        if parts[0] in strange:
            return NO_CLASS
        return ("", parts[0]) if len(parts) == 1 else BELOW_CLASSES

    found = _sorted(names, dirs, place)
    beside = sum(len(photos) for why, photos in found.left_out.items() if why != NO_CLASS)
    return found if 2 * beside <= len(names) else None


def _sorted(names: Sequence[str], dirs: Sequence[list[str]], place: Callable[[list[str]], Place | str]) -> ClassFolders:
    """place: of a photo's folders, or the reason why it is left out."""
    places = [place(parts) for parts in dirs]
    left_out: dict[str, list[str]] = defaultdict(list)
    for name, one in zip(names, places, strict=True):
        if isinstance(one, str):
            left_out[one].append(name)
    known = [one for one in places if not isinstance(one, str)]
    short = short_names([path for _, path in known], [split for split, _ in known])
    classes = [None if isinstance(one, str) else short[one[1]] for one in places]
    splits = ["" if isinstance(one, str) else one[0] for one in places]
    return ClassFolders(classes, splits if any(splits) else None, dict(left_out))


def _as_called(folder: str) -> str:
    """train, val and the like stay; test_set and val2017 become the split that they are."""
    return folder if folder.lower() in SPLIT_NAMES else split_of_folder(folder) or folder


def _why_none(names: Sequence[str], dirs: Sequence[list[str]]) -> str:
    deep = next((name for name, parts in zip(names, dirs, strict=True) if len(parts) > 1), None)
    if deep is not None:
        return f"{deep} lies in a folder of a folder, and which of the two is its class is unknown."
    flat = [name for name, parts in zip(names, dirs, strict=True) if not parts]
    if flat:
        return f"{len(flat):,} of {len(names):,} photos lie in no folder, the first is {flat[0]}."
    return f"The folders are called after splits or photos and hold no class folders; the first photo is {names[0]}."
