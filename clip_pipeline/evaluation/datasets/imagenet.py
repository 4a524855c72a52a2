"""ImageNet's validation photos where they lie flat, and the lists that name their classes."""

from __future__ import annotations

import csv
import io
import re
from functools import partial
from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.evaluation.datasets.folders import labelled, unjoined
from clip_pipeline.evaluation.datasets.names import imagenet_names
from clip_pipeline.machine.bounded import read_bytes
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.tables.text_files import read_text

PHOTO = re.compile(r"ILSVRC2012_val_(\d{8})")
DEVKIT = "ILSVRC2012_devkit_t12/data"
LISTS = ("imagenet_2012_validation_synset_labels.txt", "val.txt", "LOC_val_solution.csv")
PLACES_ABOVE = 4
"""Kaggle's list is four folders above its photos, in ILSVRC/Data/CLS-LOC/val."""


def open_flat_imagenet(entry: Entry, path: Path) -> Dataset | None:
    """val/ILSVRC2012_val_00000001.JPEG ... with a list of labels in the folder or above; None where photos lie otherwise.

    Raises DatasetError where no list is found, and where it does not name a photo that is there.
    """
    place = next((one for one in (path / "val", path) if _is_flat(one)), None)
    if place is None:
        return None
    photos = open_photos(place, say=False)
    number = [int(found[1]) if (found := PHOTO.search(photo)) else 0 for photo in photos.names]
    file, wnid_of = _read_labels(place)
    missing = [photo for photo, n in zip(photos.names, number, strict=True) if n not in wnid_of]
    if missing:
        raise unjoined(place, len(photos), missing, file)
    names = imagenet_names()
    strange = sorted(set(wnid_of.values()) - names.keys())
    if strange:
        raise DatasetError(f"{file} names {strange[0]}, which is none of ImageNet's 1,000 classes. Get it again.")
    rows = [
        (f"val/{photo.rpartition('/')[2]}", "val", partial(photos.read, row), wnid_of[number[row]])
        for row, photo in enumerate(photos.names)
    ]
    return labelled(entry, rows, names, photos.passed_over)


def _is_flat(place: Path) -> bool:
    if place.is_file():
        return place.name == "ILSVRC2012_img_val.tar"
    return place.is_dir() and any(place.glob("ILSVRC2012_val_*.JPEG"))


def _read_labels(place: Path) -> tuple[Path, dict[int, str]]:
    """(the list, WordNet id by the number of the photo)."""
    above = [place, *place.absolute().parents][: PLACES_ABOVE + 1]
    for folder in above:
        for name in LISTS:
            if (folder / name).is_file():
                return folder / name, _read_list(folder / name)
        if (folder / DEVKIT / "meta.mat").is_file():
            return folder / DEVKIT, _read_devkit(folder / DEVKIT)
    raise DatasetError(
        f"{place} holds ImageNet's validation photos without their labels: no {DEVKIT}, {', '.join(LISTS)} there or above. "
        "Unpack ILSVRC2012_devkit_t12.tar.gz beside it."
    )


def _read_list(file: Path) -> dict[int, str]:
    synsets = list(imagenet_names())
    text = read_text(file, DatasetError)
    try:
        with io.StringIO(text, newline="") as stream:
            if file.suffix == ".csv":
                named = {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(stream)}
            else:
                lines = [line.split() for line in stream if line.strip()]
                if all(len(line) == 1 for line in lines):
                    return dict(enumerate((line[0] for line in lines), start=1))
                named = {line[0]: synsets[int(line[1])] for line in lines}
    except (AttributeError, KeyError, IndexError, ValueError, csv.Error) as error:
        raise DatasetError(
            f"{file} is no list of ImageNet's labels ({type(error).__name__}: {error}). A WordNet id a line, NAME.JPEG and a "
            "number from 0 to 999, or Kaggle's ImageId,PredictionString were expected. Get it again."
        ) from error
    return {int(found[1]): wnid for name, wnid in named.items() if (found := PHOTO.search(name))}


MAX_META_BYTES = 1_000_000
"""The published file has 10 kB; what zlib makes of a megabyte is a gigabyte at most."""


def _read_devkit(folder: Path) -> dict[int, str]:
    """The devkit numbers the classes in an order of its own, which meta.mat has."""
    from scipy.io import loadmat

    content = read_bytes(folder / "meta.mat", DatasetError, MAX_META_BYTES)
    lines = read_text(folder / "ILSVRC2012_validation_ground_truth.txt", DatasetError).split()
    try:
        synsets = loadmat(io.BytesIO(content), squeeze_me=True, variable_names=["synsets"])["synsets"]
        wnid_of = {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in synsets}
        return {number: wnid_of[int(line)] for number, line in enumerate(lines, start=1)}
    except Exception as error:  # scipy raises whatever it meets in a damaged file
        raise DatasetError(
            f"{folder} is no devkit of ImageNet ({type(error).__name__}: {str(error)[:100]}). Unpack ILSVRC2012_devkit_t12.tar.gz again."
        ) from error
