"""What a model is scored on: photos with labels for zero-shot, or with captions for retrieval."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.embedding.texts import caption_table, prompt_table
from clip_pipeline.errors import DatasetError, nearest_name
from clip_pipeline.evaluation.zero_shot import LabelTruth
from clip_pipeline.sources.photos.classes import UNSPLIT

if TYPE_CHECKING:
    import numpy as np

    from clip_pipeline.sources.photos.photos import Photos

TEMPLATES = ("{c}", "a {c}", "a photo of a {c}", "a picture of a {c}")
"""Prompts for a labelled dataset that brings none of its own."""


@dataclass(frozen=True)
class Dataset:
    """Photos and what is known of them.

    ids, splits: one a photo; ids are unique. read(row): the photo's file bytes. Labelled photos have `labels` (indices
    into class_names), class_names and templates; the others have `captions`, a list of texts a photo. part: which part of
    a dataset that has a name this is, "" for all of it. left_out: what lies there and is not among them, which whoever asked says.
    """

    name: str
    ids: list[str]
    splits: list[str]
    read: Callable[[int], bytes]
    labels: list[int] | None = None
    class_names: tuple[str, ...] = ()
    templates: tuple[str, ...] = TEMPLATES
    captions: list[list[str]] | None = None
    part: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def task(self) -> str:
        """`zero_shot` or `retrieval`."""
        return "retrieval" if self.labels is None else "zero_shot"

    def images(self) -> Iterator[tuple[str, bytes]]:
        """(id, file bytes) of every photo, in order."""
        for row, photo_id in enumerate(self.ids):
            yield photo_id, self.read(row)

    def read_photos(self, ids: Collection[str]) -> dict[str, bytes]:
        """File bytes of the named photos; a name that is not there is left out."""
        return {photo_id: self.read(row) for row, photo_id in enumerate(self.ids) if photo_id in ids}

    def texts(self) -> pa.Table:
        """What the text encoder must embed: prompts of the classes, or the captions. Raises DatasetError for photos with
        neither."""
        if self.labels is not None and self.class_names:
            return prompt_table(self.class_names, self.templates or TEMPLATES)
        if self.captions is None or not any(self.captions):
            raise DatasetError(
                "These photos have neither labels nor captions, so there is no text to compare them with."
            )
        return caption_table(zip(self.ids, self.captions, strict=True))

    def truth(self) -> LabelTruth:
        """The labels, for `zero_shot_scores`. Raises DatasetError for a dataset without labels."""
        if self.labels is None:
            raise DatasetError(f"{self.name} has captions and no labels, so it serves retrieval, not zero-shot.")
        return LabelTruth(self.name, self.ids, self.labels, self.splits, self.class_names)


def labelled_dataset(
    name: str, photos: Photos, class_names: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> Dataset:
    """The photos that have a label; where no splits are known they are the test split."""
    known, names = photos.metadata, list(photos.names)
    labelled = [(row, label) for row, label in enumerate(known.labels or ()) if label is not None]
    rows = [row for row, _ in labelled]
    return Dataset(
        name,
        [names[row] for row in rows],
        [known.splits[row] for row in rows] if known.splits else ["test"] * len(rows),
        lambda row: file_bytes(photos.read(rows[row])),
        [label for _, label in labelled],
        tuple(class_names),
        tuple(templates),
        left_out=known.left_out,
    )


def captioned_dataset(name: str, photos: Photos, rows: Sequence[int]) -> Dataset:
    """Some of the photos with their captions, `rows` of them; where no splits are known they are the test split."""
    known, names = photos.metadata, photos.names
    splits, captions = known.splits, known.captions or []
    chosen = set(rows)
    unsplit = [row for row in range(len(names)) if row not in chosen and splits and not splits[row]]
    known.left_out.add(UNSPLIT, len(unsplit), names[unsplit[0]] if unsplit else "")
    return Dataset(
        name,
        [names[row] for row in rows],
        [splits[row] if splits else "test" for row in rows],
        lambda row: file_bytes(photos.read(rows[row])),
        captions=[captions[row] for row in rows],
        left_out=known.left_out,
    )


def file_bytes(photo: bytes | np.ndarray) -> bytes:
    """The bytes of a photo's file as they are, or a PNG file of (height, width) grey or (height, width, 3) colours, uint8."""
    if isinstance(photo, bytes):
        return photo
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def held_out_captions(pairs: pa.Table, split: str = "test") -> list[tuple[str, list[str]]]:
    """(photo id, captions) of one split of the pairs, in the order of the table; captions in their own order."""
    chosen = pairs.filter(pc.equal(pairs["split"], split)).sort_by(
        [("photo_id", "ascending"), ("caption_index", "ascending")]
    )
    captions: dict[str, list[str]] = {}
    for photo_id, caption in zip(chosen["photo_id"].to_pylist(), chosen["caption"].to_pylist(), strict=True):
        captions.setdefault(photo_id, []).append(caption)
    return sorted(captions.items())


def only_split(dataset: Dataset, split: str) -> Dataset:
    """The photos of one split. Raises DatasetError with the splits that there are."""
    rows = [row for row, one in enumerate(dataset.splits) if one == split]
    if not rows:
        raise DatasetError(f'{dataset.name} has no split "{split}". {nearest_name(split, set(dataset.splits))}')
    return chosen_rows(dataset, rows)


def chosen_rows(dataset: Dataset, rows: Sequence[int]) -> Dataset:
    """Some of the photos, in the order of `rows`."""
    return replace(
        dataset,
        ids=[dataset.ids[row] for row in rows],
        splits=[dataset.splits[row] for row in rows],
        read=lambda row: dataset.read(rows[row]),
        labels=None if dataset.labels is None else [dataset.labels[row] for row in rows],
        captions=None if dataset.captions is None else [dataset.captions[row] for row in rows],
    )


def splits_of(dataset: Dataset) -> Sequence[str]:
    """The splits there are, sorted."""
    return sorted(set(dataset.splits))
