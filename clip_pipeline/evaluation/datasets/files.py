"""Datasets that are files of the user's own, in no particular form.

CLIP_benchmark's layout is one of those that are read:

    classnames.txt                            one name a line; a label is an index into it
    zeroshot_classification_templates.txt     one prompt a line, `{c}` where the name goes
    SPLIT/0.tar, SPLIT/1.tar, ...             webdataset: KEY.jpg and KEY.cls, the label in decimal
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import (
    TEMPLATES,
    Dataset,
    captioned_dataset,
    labelled_dataset,
)
from clip_pipeline.evaluation.datasets.entry import find_entry
from clip_pipeline.evaluation.datasets.folder_names import readable_class_names, warn_of_one_name
from clip_pipeline.evaluation.datasets.folders import open_food101, open_tiny_imagenet
from clip_pipeline.evaluation.datasets.imagenet import open_flat_imagenet
from clip_pipeline.evaluation.datasets.names import class_names
from clip_pipeline.sources.photos.class_names import NAMES_FILE
from clip_pipeline.sources.photos.formats.cifar import cifar_classes
from clip_pipeline.sources.photos.formats.tar_paths import holds_tars, is_tar_name, without_tar_ending
from clip_pipeline.sources.photos.label_tables import PLACES
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.photos.photos import Metadata
from clip_pipeline.sources.tables.text_files import lines_of, read_text
from clip_pipeline.storage.manifest import MANIFEST

logger = logging.getLogger(__name__)

TEMPLATES_FILE = "zeroshot_classification_templates.txt"
PUBLISHED = {"tiny_imagenet": open_tiny_imagenet, "imagenet": open_flat_imagenet, "food101": open_food101}
"""Datasets of the registry that are known by their form alone: lists beside photos that lie in no class folders."""

MAY_NAME_CLASSES = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".mat",
    ".xml",
    ".xlsx",
    ".parquet",
    ".npy",
    ".pkl",
    ".h5",
)


def open_files(folder: Path, name: str = "") -> Dataset:
    """A dataset of files: CLIP_benchmark's layout, a folder of class folders, or photos (or tars) with captions; also what the
    registry knows by the form that it is published in, unchecked.

    name: what the scores call it, the folder's name if empty. Raises DatasetError when there is no photo, neither labels nor
    captions, or a single class; PhotosError, CaptionsError for files that cannot be read.
    """
    name = name or without_tar_ending(folder.absolute().name)
    dataset = _of_published_form(folder, name) or _open_files(folder, name)
    if dataset.labels is not None and len(set(dataset.labels)) < 2:
        only = dataset.class_names[dataset.labels[0]]
        raise DatasetError(
            f'{folder} has photos of one class only ("{only}"). Zero-shot needs at least two class folders to choose '
            f"between.{_beside(folder)}"
        )
    return dataset


def _of_published_form(folder: Path, name: str) -> Dataset | None:
    for entry_name, reader in PUBLISHED.items():
        entry = find_entry(entry_name)
        dataset = reader(entry, folder)
        if dataset is not None:
            logger.warning(
                "%s has the form of %s and is read as that, unchecked. Write %s=%s to have it checked, with the prompts of its authors",
                *(folder, entry.title, entry_name, folder),
            )
            return replace(dataset, name=name)
    return None


def _open_files(folder: Path, name: str) -> Dataset:
    photos = open_photos(folder, say=False)
    known = photos.metadata
    if known.labels is not None:
        names = _class_names(folder, known)
        if not (folder / MANIFEST).is_file():  # in a dataset of our own making, such as the sandbox's, it is on purpose
            _name_missing_classes(folder, known.splits or ["test"] * len(photos), known.labels, names)
        return labelled_dataset(name, photos, names, _templates(folder / TEMPLATES_FILE) or TEMPLATES)
    if known.captions is not None and any(known.captions):
        rows = [row for row in range(len(photos)) if known.splits is None or known.splits[row]]
        return captioned_dataset(name, photos, rows)
    raise DatasetError(
        f"{folder} holds {len(photos):,} photos without labels and without captions. To score a model, put them into one folder a "
        "class, or lay a table beside them: labels.csv with the columns file and label, or captions.csv with file and caption. "
        f"{known.why_unknown}{_beside(folder)}".rstrip()
    )


def _class_names(folder: Path, known: Metadata) -> Sequence[str]:
    """Names that a caption could hold: as a file has them, else of the names of the folders."""
    if known.class_names:
        if not known.names_from:
            return readable_class_names(known.class_names, str(folder))
        warn_of_one_name(known.class_names, str(folder))
        return known.class_names
    if classes := cifar_classes(folder):
        return tuple(class_names(find_entry(f"cifar{classes}")).values())
    what = "tars" if holds_tars(folder) or is_tar_name(folder.name) else "photos"
    raise DatasetError(
        f"{folder} holds {what} with labels and no {NAMES_FILE}. Put the class names there, one a line in the order of the labels; or "
        "write NAME=PATH where it is a dataset of the registry (clip-pipeline datasets), whose names are known."
    )


def _beside(folder: Path) -> str:
    """The files that might have told the classes, and cannot be read so."""
    places = [folder / place for place in PLACES if (folder / place).is_dir()]
    files = [
        path.relative_to(folder).as_posix()
        for place in places
        for path in sorted(place.iterdir())
        if path.suffix.lower() in MAY_NAME_CLASSES and path.is_file()
    ]
    return f" Beside them lie {', '.join(files[:5])}, in which no labels of photos are known." if files else ""


def _name_missing_classes(
    folder: Path, splits: Sequence[str], labels: Sequence[int | None], names: Sequence[str]
) -> None:
    for split in sorted(set(filter(None, splits))):
        present = {label for label, one in zip(labels, splits, strict=True) if one == split}
        missing = [name for label, name in enumerate(names) if label not in present]
        if missing:
            logger.warning(
                "%s: %d of %d classes have no photo in the %s split (%s). They are no candidates there but for the score with all classes.",
                folder,
                len(missing),
                len(names),
                split,
                ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else ""),
            )


def _templates(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in lines_of(read_text(path, DatasetError)) if line.strip()]
