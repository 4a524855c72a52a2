"""Photos that could not be decoded while they were streamed: counted, named in a file, and too many of them an error."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from clip_pipeline.errors import TrainingError

BAD_PHOTOS_FILE = "undecodable_images.csv"
"""Beside the log. A pair whose photo cannot be decoded is replaced by the next photo in the order of the ids that can be, with
its first caption that is not in the batch; with several processes, each of them looks only among photos of its own."""


@dataclass(frozen=True)
class BadPhoto:
    """One replaced place of a batch. split: train or validation. step: from 0; 0 for validation."""

    split: str
    step: int
    photo_id: str
    reason: str
    replaced_by: str


class UndecodableImages:
    """The record of one process. photos: how many there are to train on. max_percent: the share that may be bad."""

    def __init__(self, folder: Path, photos: int, max_percent: float, rank: int = 0):
        self.path = folder / (BAD_PHOTOS_FILE if rank == 0 else f"undecodable_images_{rank}.csv")
        self.photos, self.max_percent = photos, max_percent
        self.found: list[BadPhoto] = read_undecodable_images(self.path)

    def go_on_at(self, step: int) -> None:
        """Forgets what a killed run noted of steps that are taken again."""
        self.found = [bad for bad in self.found if bad.split != "train" or bad.step < step]
        self._write()

    def add(self, replaced: Iterable[BadPhoto]) -> None:
        """Notes replaced places; a photo of the validation once. Raises TrainingError when too many photos are bad."""
        noted = {bad.photo_id for bad in self.found if bad.split == "validation"}
        new = [bad for bad in replaced if bad.split == "train" or bad.photo_id not in noted]
        if not new:
            return
        self.found += new
        self._write()
        different = {bad.photo_id for bad in self.found}
        if len(different) > self.max_percent / 100 * self.photos:
            first = self.found[0]
            raise TrainingError(
                f"{len(different):,} of {self.photos:,} photos cannot be decoded, more than training.max_undecodable_percent "
                f"({self.max_percent:g}) allows. The first is {first.photo_id}: {first.reason} {self.path} names them all. "
                "Make or download the shards again, or raise the setting."
            )

    def _write(self) -> None:
        if not self.found and not self.path.exists():
            return
        temporary = self.path.with_suffix(".tmp")
        write_undecodable_images(self.found, temporary)
        temporary.replace(self.path)


def write_undecodable_images(found: Iterable[BadPhoto], path: Path) -> None:
    """One row a replaced place."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(field.name for field in fields(BadPhoto))
        writer.writerows(astuple(bad) for bad in found)


def read_undecodable_images(path: Path) -> list[BadPhoto]:
    """What `write_undecodable_images` wrote; nothing where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return [BadPhoto(split, int(step), *rest) for split, step, *rest in list(csv.reader(stream))[1:]]


def publish_undecodable_images(work_folder: Path, folder: Path) -> int:
    """Writes what all processes noted into `folder`, where there is anything; returns how many photos were bad."""
    notes = sorted(work_folder.glob(f"{Path(BAD_PHOTOS_FILE).stem}*.csv"))
    found = sorted(
        (bad for path in notes for bad in read_undecodable_images(path)), key=lambda bad: (bad.split, bad.step)
    )
    if found:
        write_undecodable_images(found, folder / BAD_PHOTOS_FILE)
    return len({bad.photo_id for bad in found})
