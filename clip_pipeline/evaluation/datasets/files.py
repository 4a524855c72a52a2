"""Datasets that are files of the user's own, in no particular form.

CLIP_benchmark's layout is one of those that are read:

    classnames.txt                            one name a line; a label is an index into it
    zeroshot_classification_templates.txt     one prompt a line, `{c}` where the name goes
    SPLIT/0.tar, SPLIT/1.tar, ...             webdataset: KEY.jpg and KEY.cls, the label in decimal
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import TEMPLATES, Dataset, captioned_dataset, labelled_dataset
from clip_pipeline.sources.photos.classes import NAMES_FILE
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.tables.text_files import lines_of, read_text

logger = logging.getLogger(__name__)

TEMPLATES_FILE = "zeroshot_classification_templates.txt"


def open_files(folder: Path, name: str = "") -> Dataset:
    """A dataset of files: CLIP_benchmark's layout, a folder of class folders, or photos (or tars) with captions.

    name: what the scores call it, the folder's name if empty. Raises DatasetError when there is no photo, neither labels nor
    captions, or a single class; PhotosError, CaptionsError for files that cannot be read.
    """
    name = name or folder.absolute().name.removesuffix(".tar")
    dataset = _open_files(folder, name)
    if dataset.labels is not None and len(set(dataset.labels)) < 2:
        only = dataset.class_names[dataset.labels[0]]
        raise DatasetError(
            f'{folder} has photos of one class only ("{only}"). Zero-shot needs at least two class folders to choose between.'
        )
    return dataset


def _open_files(folder: Path, name: str) -> Dataset:
    photos = open_photos(folder)
    known = photos.metadata
    if known.labels is not None and known.class_names:
        names = known.class_names
        if not (folder / NAMES_FILE).is_file():  # then they are names of folders
            names = [readable_class_name(one) for one in names]
            _name_missing_classes(folder, known.splits or ["test"] * len(photos), known.labels, names)
        return labelled_dataset(name, photos, names, _lines(folder / TEMPLATES_FILE) or TEMPLATES)
    if known.labels is not None:
        raise DatasetError(
            f"{folder} holds tars with labels and no {NAMES_FILE}. Put the class names there, one a line in the order of the labels."
        )
    if known.captions is not None and any(known.captions):
        rows = [row for row in range(len(photos)) if known.splits is None or known.splits[row]]
        if len(rows) < len(photos):
            logger.warning("%s: left out %d photos that are in none of its splits", folder, len(photos) - len(rows))
        return captioned_dataset(name, photos, rows)
    raise DatasetError(
        f"{folder} holds {len(photos):,} photos without labels and without captions. To score a model, put them into "
        "one folder a class, or lay a caption file beside them (captions.csv with the columns file and caption)."
    )


def _name_missing_classes(folder: Path, splits: Sequence[str], labels: Sequence[int], names: Sequence[str]) -> None:
    for split in sorted(set(splits)):
        present = {label for label, one in zip(labels, splits, strict=True) if one == split}
        missing = [name for label, name in enumerate(names) if label not in present]
        if missing:
            logger.warning(
                "%s: %d of %d classes have no photo in the %s split (%s). They can be guessed there, and are never right.",
                folder,
                len(missing),
                len(names),
                split,
                ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else ""),
            )


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in lines_of(read_text(path, DatasetError)) if line.strip()]


def readable_class_name(folder_name: str) -> str:
    """`001.Black_footed_Albatross` → `Black footed Albatross`: a folder's name as words that a caption could hold."""
    name = re.sub(r"^\d+[._\- ]+(?=\D)", "", folder_name)
    return re.sub(r"[_\s]+", " ", name).strip() or folder_name
