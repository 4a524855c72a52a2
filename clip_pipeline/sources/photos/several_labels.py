"""Several labels in one cell (cat,dog; 3|5): a photo has one class here, so such a table is refused, and one that may be so is said."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from clip_pipeline.errors import PhotosError

logger = logging.getLogger(__name__)

SEPARATORS = ("|", ";", ",")
_NUMBERS = re.compile(r"\d+(?: \d+)+")
_LIST = re.compile(r"[\[({].*[,'\"].*[\])}]", re.DOTALL)


def check_one_label_each(labels: Iterable[tuple[str, str]], file: Path) -> None:
    """labels: (photo, label) of one table. Raises PhotosError for a label that is a list, or is made of others that stand alone elsewhere;
    warns of labels whose parts all come again in others, which may be names of classes ("cup, red" and "cup, blue", "mug, red"
    and "mug, blue") or several labels."""
    photo_of = {label: photo for photo, label in labels}
    again: defaultdict[str, set[str]] = defaultdict(set)
    parts_of = {label: parts for label in photo_of if len(parts := parts_of_label(label)) > 1}
    for label, parts in parts_of.items():
        for part in parts:
            again[part].add(label)
    for label, photo in photo_of.items():
        parts = parts_of.get(label, [])
        if _LIST.fullmatch(label) or (parts and all(part in photo_of for part in parts)):
            raise PhotosError(
                f'{file}: the label of {photo} is "{label}", which is several or a list, and a photo has one class here. Keep one of them a photo, or leave '
                "such photos out."
            )
    mixed = [
        label
        for label, parts in parts_of.items()
        if "|" in label or all(len(again[part]) > 1 or part in photo_of for part in parts)
    ]
    if mixed:
        logger.warning(
            '%s: %d labels look like several in one, such as "%s" of %s: each is taken for a class of its own',
            *(file, len(mixed), mixed[0], photo_of[mixed[0]]),
        )


def parts_of_label(label: str) -> list[str]:
    """The parts of a label at the first separator that it holds; numbers are parted by blanks too."""
    if _NUMBERS.fullmatch(label):
        return label.split(" ")
    separator = next((one for one in SEPARATORS if one in label), None)
    return [part for one in label.split(separator) if (part := one.strip())] if separator else [label]
