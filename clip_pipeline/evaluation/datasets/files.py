"""Datasets that are files of the user's own, in no particular form.

CLIP_benchmark's layout is one of those that are read:

    classnames.txt                            one name a line; a label is an index into it
    zeroshot_classification_templates.txt     one prompt a line, `{c}` where the name goes
    SPLIT/0.tar, SPLIT/1.tar, ...             webdataset: KEY.jpg and KEY.cls, the label in decimal
"""

from __future__ import annotations

import re
from pathlib import Path

from clip_pipeline.errors import DatasetError, PhotosError, nearest_name
from clip_pipeline.evaluation.datasets.dataset import TEMPLATES, Dataset

NAMES_FILE, TEMPLATES_FILE = "classnames.txt", "zeroshot_classification_templates.txt"

GENERATED = ("sandbox", "held_out")
"""Datasets that the pipeline makes: they exist as artifacts, not as files of the user's own."""


def open_dataset(path: Path | str, name: str = "") -> Dataset:
    """A dataset of files: CLIP_benchmark's layout, a folder of class folders, or photos (or tars) with captions.

    name: what the scores call it, the folder's name if empty. Raises DatasetError when there is nothing at the path, no
    photo, neither labels nor captions, or a single class.
    """
    folder = Path(path).expanduser()
    name = name or folder.absolute().name.removesuffix(".tar")
    if not folder.exists():
        raise DatasetError(
            f'There is no dataset "{path}": no folder of that name, and no dataset that comes with the program. '
            f"{nearest_name(folder.name, _neighbours(folder))} Give a folder of class folders, or of photos with captions."
        )
    dataset = _open_files(folder, name)
    if dataset.labels is not None and len(set(dataset.labels)) < 2:
        only = dataset.class_names[dataset.labels[0]]
        raise DatasetError(
            f'{folder} has photos of one class only ("{only}"). Zero-shot needs at least two class folders to choose between.'
        )
    return dataset


def _neighbours(missing: Path) -> list[str]:
    """Names that may have been meant: what the program makes, and the folders beside the missing one."""
    beside = missing.parent
    folders = [entry.name for entry in beside.iterdir() if entry.is_dir()] if beside.is_dir() else []
    return [*GENERATED, *(name for name in folders if not name.startswith("."))]


def _open_files(folder: Path, name: str) -> Dataset:
    from clip_pipeline.sources.image_set import open_image_set

    try:
        photos = open_image_set(folder)
    except PhotosError as error:
        raise DatasetError(str(error)) from error
    splits = [split or "test" for split in photos.splits] if photos.splits else ["test"] * len(photos.ids)
    if photos.labels is not None and photos.class_names:
        names = photos.class_names
        if not (folder / NAMES_FILE).is_file():  # then they are names of folders
            names = [readable_class_name(one) for one in names]
        templates = _lines(folder / TEMPLATES_FILE) or TEMPLATES
        return Dataset(name, photos.ids, splits, photos.read, photos.labels, tuple(names), tuple(templates))
    if photos.labels is not None:
        raise DatasetError(
            f"{folder} holds tars with labels and no {NAMES_FILE}. Put the class names there, one a line in the order of the labels."
        )
    if photos.captions is not None and any(photos.captions):
        return Dataset(name, photos.ids, splits, photos.read, captions=photos.captions)
    raise DatasetError(
        f"{folder} holds {len(photos.ids):,} photos without labels and without captions. To score a model, put them into "
        "one folder a class, or lay a caption file beside them (captions.csv with the columns file and caption)."
    )


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def readable_class_name(folder_name: str) -> str:
    """`001.Black_footed_Albatross` → `Black footed Albatross`: a folder's name as words that a caption could hold."""
    name = re.sub(r"^\d+[._\- ]+(?=\D)", "", folder_name)
    return re.sub(r"[_\s]+", " ", name).strip() or folder_name
