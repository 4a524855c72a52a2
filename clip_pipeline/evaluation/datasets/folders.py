"""Datasets of the registry as folders of photos: one a class, or photos that a list names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import DatasetError, nearest_name
from clip_pipeline.evaluation.datasets.dataset import Dataset, file_bytes, labelled_dataset
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.evaluation.datasets.names import class_names, imagenet_names, matching_folder
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.photos.splits import SPLIT_NAMES
from clip_pipeline.sources.tables.text_files import lines_of, read_text

if TYPE_CHECKING:
    import numpy as np

Row = tuple[str, str, Callable[[], "bytes | np.ndarray"], str]
"""Id of a photo, its split, what reads it, and the folder that its class goes by."""


def labelled(entry: Entry, rows: Sequence[Row], names: Mapping[str, str], left_out: LeftOut) -> Dataset:
    """A dataset of rows. names: {folder: name} of all classes, in the order of the labels."""
    number = {folder: place for place, folder in enumerate(names)}
    strange = next((folder for _, _, _, folder in rows if folder not in number), None)
    if strange is not None:
        raise DatasetError(
            f'A list of {entry.title} names the class "{strange}", which it does not have. {nearest_name(strange, number)} '
            "Get the list again."
        )
    readers = [reader for _, _, reader, _ in rows]
    return Dataset(
        entry.name,
        [photo for photo, _, _, _ in rows],
        [split for _, split, _, _ in rows],
        lambda row: file_bytes(readers[row]()),
        labels=[number[folder] for _, _, _, folder in rows],
        class_names=tuple(names.values()),
        left_out=left_out,
    )


def with_test_split(dataset: Dataset) -> Dataset:
    """The dataset with our names of the splits. Without a test split the validation photos are that, as CLIP_benchmark has it."""
    splits = [SPLIT_NAMES.get(split.lower(), split) for split in dataset.splits]
    if "test" not in splits:
        splits = ["test" if split == "validation" else split for split in splits]
    return replace(dataset, splits=splits)


def open_class_folders(entry: Entry, path: Path) -> Dataset:
    """Class folders, with or without folders of splits above them, in a folder, a tar or webdataset tars.

    Raises DatasetError for photos without labels, and for folders that are no class of the dataset.
    """
    place = _place_below(path, entry.below)
    photos = open_photos(place, say=False)
    known = photos.metadata
    if known.labels is None or known.class_names is None:
        raise DatasetError(
            f"{place} holds {len(photos):,} photos that are in no class folders. {entry.title} is read from: {entry.expects}."
        )
    if known.names_from and len(known.class_names) == entry.classes:
        return labelled_dataset(entry.name, photos, known.class_names)
    splits = known.splits or ["test"] * len(photos)
    names = class_names(entry) or {folder: folder for folder in known.class_names}
    folder_of = _class_of_folders(entry, known.class_names, names, place)
    rows = []
    for row, (name, label) in enumerate(zip(photos.names, known.labels, strict=True)):
        if label is None:
            continue
        folder = folder_of[known.class_names[label]]
        if folder is None:
            known.left_out.add(f"photos in {known.class_names[label]}, which is no class of {entry.title}", 1, name)
        else:
            rows.append((name, splits[row], partial(photos.read, row), folder))
    return labelled(entry, rows, names, known.left_out)


def _place_below(path: Path, below: str) -> Path:
    """The folder of class folders or splits: what an archive was unpacked into may have another folder around it."""
    if not path.is_dir():
        return path
    if below and path.name != below:
        return next((place for place in (path / below, *path.glob(f"*/{below}")) if place.is_dir()), path)
    folders = [one for one in path.iterdir() if one.is_dir() and not one.name.startswith(".")]
    if len(folders) != 1 or folders[0].name.lower() in SPLIT_NAMES:
        return path
    return folders[0] if any(one.is_dir() for one in folders[0].iterdir()) else path


def _class_of_folders(
    entry: Entry, folders: Sequence[str], names: Mapping[str, str], place: Path
) -> dict[str, str | None]:
    """Each folder's key in `names`, None for one that is left out."""
    found: dict[str, str | None] = {}
    for folder in folders:
        if folder in entry.left_out:
            found[folder] = None
            continue
        found[folder] = matching_folder(folder, names)
        if found[folder] is None:
            raise DatasetError(
                f'{place} has a folder "{folder}", which is no class of {entry.title}. {nearest_name(folder, names)} '
                f"Give {entry.title} as it is published, or this folder without a name."
            )
    return found


def open_food101(entry: Entry, path: Path) -> Dataset | None:
    """Food-101 as it is published: images/ and the lists of meta/; None where they are not there.

    Raises DatasetError for a list that names photos which are not there.
    """
    root = next((one for one in (path, path / "food-101") if (one / "meta" / "test.txt").is_file()), None)
    if root is None or not (root / "images").is_dir():
        return None
    photos, lost = open_photos(root / "images", kind="folder", say=False), LeftOut()
    lost.take(photos.passed_over)
    place_of = {photo: row for row, photo in enumerate(photos.names)}
    rows = []
    for split in ("train", "test"):
        listed = _lines(root / "meta" / f"{split}.txt")
        missing = [name for name in listed if name not in place_of]
        if missing:
            raise unjoined(root / "meta" / f"{split}.txt", len(listed), missing, root / "images")
        rows += [
            (f"{split}/{name}", split, partial(photos.read, place_of[name]), name.partition("/")[0]) for name in listed
        ]
    listed_ones = {name for name, *_ in rows}
    unlisted = [name for name in photos.names if not {f"train/{name}", f"test/{name}"} & listed_ones]
    lost.add("photos that neither list of meta/ names", len(unlisted), unlisted[0] if unlisted else "")
    return labelled(entry, rows, class_names(entry), lost)


def open_tiny_imagenet(entry: Entry, path: Path) -> Dataset | None:
    """Tiny ImageNet as it is published: wnids.txt, words.txt, train/, val/ with val_annotations.txt, or val/ sorted into folders.

    None where wnids.txt is not there. Raises DatasetError for annotations that name photos which are not there.
    """
    root = next((one for one in (path, path / "tiny-imagenet-200") if (one / "wnids.txt").is_file()), None)
    if root is None:
        return None
    known, words = imagenet_names(), _words(root / "words.txt")
    names = {wnid: known.get(wnid) or words.get(wnid, wnid) for wnid in sorted(_lines(root / "wnids.txt"))}
    lost = LeftOut()
    if (root / "test" / "images").is_dir():
        without = sorted(one.name for one in (root / "test" / "images").iterdir())
        lost.add("photos of test/, whose labels are not published", len(without), without[0] if without else "")
    validation = _annotated if (root / "val" / "images").is_dir() else _below_wnids
    rows = [*_below_wnids(root, "train", names, lost), *validation(root, "val", names, lost)]
    return labelled(entry, rows, names, lost)


def _below_wnids(root: Path, split: str, names: Mapping[str, str], lost: LeftOut) -> list[Row]:
    """Photos in SPLIT/WNID/ or SPLIT/WNID/images/."""
    if not (root / split).is_dir():
        return []
    photos = open_photos(root / split, kind="folder", say=False)
    lost.take(photos.passed_over)
    folders = [photo.partition("/")[0] for photo in photos.names]
    strange = next((folder for folder in folders if folder not in names), None)
    if strange is not None:
        raise DatasetError(f"{root / split} has a folder {strange}, which wnids.txt does not name. Get the set again.")
    return [
        (f"{split}/{photo}", split, partial(photos.read, row), folders[row]) for row, photo in enumerate(photos.names)
    ]


def _annotated(root: Path, split: str, names: Mapping[str, str], lost: LeftOut) -> list[Row]:
    """Photos in SPLIT/images/, with their classes in SPLIT_annotations.txt."""
    folder, file = root / split / "images", root / split / f"{split}_annotations.txt"
    if not file.is_file():
        raise DatasetError(f"{folder} has no {file.name} above it, which names the classes. Get the set again.")
    listed = [line.split("\t")[:2] for line in _lines(file) if "\t" in line]
    photos = open_photos(folder, kind="folder", say=False)
    lost.take(photos.passed_over)
    place_of = {f"{photo}.JPEG": row for row, photo in enumerate(photos.names)}
    missing = [name for name, _ in listed if name not in place_of]
    if missing:
        raise unjoined(file, len(listed), missing, folder)
    unlisted = sorted(place_of.keys() - {name for name, _ in listed})
    lost.add(f"photos that {file.name} does not name", len(unlisted), unlisted[0] if unlisted else "")
    return [(f"{split}/{name[:-5]}", split, partial(photos.read, place_of[name]), wnid) for name, wnid in listed]


def _words(file: Path) -> dict[str, str]:
    """words.txt: an id, a tab, names with commas between; the first is taken."""
    pairs = (line.split("\t") for line in _lines(file)) if file.is_file() else ()
    return {pair[0]: pair[1].split(",")[0] for pair in pairs if len(pair) == 2}


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in lines_of(read_text(file, DatasetError)) if line.strip()]


def unjoined(file: Path, listed: int, missing: Sequence[str], folder: Path) -> DatasetError:
    """What is said of a list that names photos which are not there."""
    return DatasetError(
        f"{file} names {listed:,} photos, and {len(missing):,} of them are not in {folder}, the first is {missing[0]}. Get the "
        "list and the photos again from one place."
    )
