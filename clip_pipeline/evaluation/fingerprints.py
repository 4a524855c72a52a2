"""Which photos a score is of, by the sha256 of what they consist of."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from clip_pipeline.errors import DatasetError
from clip_pipeline.machine.progress import progress

if TYPE_CHECKING:
    from clip_pipeline.evaluation.datasets import Dataset


def dataset_fingerprint(dataset: Dataset) -> str:
    """sha256 of class names and, in the order of the ids, each photo's id, split, label or captions, and file bytes.

    The same photos in tars and in folders, or listed in another order, have the same fingerprint if their ids are equal.
    Prompts are no part of it: scores name those themselves. Raises DatasetError for a photo that cannot be read.
    """
    digest = hashlib.sha256(_line(["class names", *dataset.class_names]))
    with progress("Reading photos for their fingerprint", len(dataset.ids), "photo") as bar:
        for row in sorted(range(len(dataset.ids)), key=dataset.ids.__getitem__):
            label = None if dataset.labels is None else int(dataset.labels[row])
            captions = None if dataset.captions is None else list(dataset.captions[row])
            try:
                photo = hashlib.sha256(dataset.read(row)).hexdigest()
            except OSError as error:
                raise DatasetError(
                    f"{dataset.name}: the photo {dataset.ids[row]} cannot be read: {error.strerror}. Copy the dataset again."
                ) from error
            digest.update(_line([dataset.ids[row], dataset.splits[row], label, captions, photo]))
            bar.advance()
    return digest.hexdigest()


def _line(value: list) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"
