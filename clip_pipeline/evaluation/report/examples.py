"""Photos for the report: evenly spaced through a split, so that nobody chose them for looking good."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from clip_pipeline.evaluation.retrieval import TEXT_TO_IMAGE_FILE
from clip_pipeline.pixels.decode import decode

CLASSIFIED_SHOWN, SEARCHES_SHOWN, FOUND_SHOWN, CLASSES_SHOWN = 12, 6, 5, 3
MISTAKEN_SHOWN = 4
THUMBNAIL_PX = 160


@dataclass(frozen=True)
class ClassifiedPhoto:
    """A photo with its label and the nearest classes (name, cosine), best first."""

    photo: bytes
    label: str
    best: list[tuple[str, float]]

    @property
    def correct(self) -> bool:
        return self.best[0][0] == self.label


@dataclass(frozen=True)
class Search:
    """A caption and the photos found for it, each with whether it is the caption's own; `rank` of its own photo counts from 0."""

    text: str
    rank: int
    photos: list[tuple[bytes, bool]]

    @property
    def is_found(self) -> bool:
        """Whether its own photo is among those that are shown."""
        return self.rank < FOUND_SHOWN

    @property
    def rank_text(self) -> str:
        """The rank as people count, from 1."""
        return f"{self.rank + 1:,}"


def classified_photos(predictions: Sequence[dict[str, Any]], read_photos: Any) -> list[ClassifiedPhoto]:
    """predictions: rows of predictions.parquet. read_photos: ids -> {id: file bytes}; photos it lacks are left out."""
    return _shown(evenly_spaced(predictions, CLASSIFIED_SHOWN), read_photos)


def mistaken_photos(
    predictions: Sequence[dict[str, Any]], class_names: Sequence[str], read_photos: Any
) -> list[ClassifiedPhoto]:
    """One photo of each named class that was taken for another: the middle one of them."""
    chosen = []
    for name in class_names:
        wrong = [row for row in predictions if row["label_name"] == name and not row["correct"]]
        chosen += evenly_spaced(wrong, 1)
    return _shown(chosen[:MISTAKEN_SHOWN], read_photos)


def _shown(rows: Sequence[dict[str, Any]], read_photos: Any) -> list[ClassifiedPhoto]:
    contents = read_photos([row["id"] for row in rows])
    examples = []
    for row in rows:
        if row["id"] in contents:
            best = list(zip(row["best_names"], row["best_similarities"], strict=True))[:CLASSES_SHOWN]
            examples.append(ClassifiedPhoto(thumbnail(contents[row["id"]]), row["label_name"], best))
    return examples


def searches(retrieval_folder: Path, read_photos: Any) -> list[Search]:
    """Captions of a `retrieval_scores` folder with the photos found for them."""
    rows = evenly_spaced(pq.read_table(Path(retrieval_folder) / TEXT_TO_IMAGE_FILE).to_pylist(), SEARCHES_SHOWN)
    wanted = sorted({photo for row in rows for photo in row["best_photo_ids"]})
    contents: Mapping[str, bytes] = read_photos(wanted)
    found = []
    for row in rows:
        photos = [
            (thumbnail(contents[photo]), photo == row["photo_id"])
            for photo in row["best_photo_ids"][:FOUND_SHOWN]
            if photo in contents
        ]
        if photos:
            found.append(Search(row["text"], row["place"], photos))
    return found


def evenly_spaced(rows: Sequence[Any], count: int) -> list[Any]:
    """At most `count` rows, as far apart as can be, starting in the middle of the first gap."""
    if len(rows) <= count:
        return list(rows)
    return [rows[(2 * i + 1) * len(rows) // (2 * count)] for i in range(count)]


def thumbnail(content: bytes) -> bytes:
    """JPEG bytes whose longer side is at most 160 pixels, upright and without metadata."""
    from PIL import Image

    small = Image.fromarray(decode(content).rows_HW3)
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
