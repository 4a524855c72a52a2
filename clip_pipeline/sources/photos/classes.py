"""The class of a photo: folders with one class each, and labels with a list of the classes' names."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.photos import Metadata
from clip_pipeline.sources.photos.splits import splits_of_folders
from clip_pipeline.sources.tables.text_files import lines_of, read_text

NAMES_FILE = "classnames.txt"


def metadata_of_folders(names: Sequence[str]) -> Metadata:
    """What the folders of photos say, by their paths: classes, and splits where the folders above the classes are called so.

    Without labels where a photo lies in no class folder.
    """
    splits = splits_of_folders(names)
    classes = [posixpath.dirname(name.partition("/")[2] if splits else name) for name in names]
    # below a split any depth is a class (fruit/apple/gala); without one, deeper folders are as likely years and months
    if not all(classes) or (splits is None and any("/" in one for one in classes)):
        return Metadata(splits=splits)
    class_of = _short_class_names(classes, splits or [""] * len(classes))
    class_names = sorted(set(class_of.values()))
    number = {name: place for place, name in enumerate(class_names)}
    return Metadata([number[class_of[one]] for one in classes], class_names, splits=splits)


def _short_class_names(classes: Sequence[str], splits: Sequence[str]) -> dict[str, str]:
    """The last folder of each class's path where no two classes of a split have the same, else the whole paths.

    A class that lies elsewhere in another split is the same one (groceries: train/Vegetables/X, test/Vegetables/Mushroom/X).
    """
    paths = sorted(set(zip(splits, classes, strict=True)))
    short = {(split, posixpath.basename(path)) for split, path in paths}
    return {path: posixpath.basename(path) if len(short) == len(paths) else path for _, path in paths}


def label_of(tar: Path, key: str, text: str) -> int | None:
    """The label in a sample's KEY.cls, None for an empty one. Raises PhotosError for what is no number."""
    if not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        raise PhotosError(
            f"{tar}: {key}.cls holds no number, the number of a class was expected. Make the tar again."
        ) from None


def read_class_names(path: Path, labels: Sequence[int]) -> list[str] | None:
    """Names from classnames.txt in a folder, or beside or above a file; None where there is no such file.

    Raises PhotosError where a label has no name.
    """
    places = [path] if path.is_dir() else [path.parent, path.parent.parent]
    file = next((place / NAMES_FILE for place in places if (place / NAMES_FILE).is_file()), None)
    if file is None:
        return None
    names = [line.strip() for line in lines_of(read_text(file, PhotosError)) if line.strip()]
    if min(labels) < 0 or max(labels) >= len(names):
        raise PhotosError(
            f"{file} has {len(names)} names and the labels run from {min(labels)} to {max(labels)}. A label is the "
            "place of its name in that file, from 0."
        )
    return names
