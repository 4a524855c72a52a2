"""The list of a dataset's photos as a file: what the pipeline keeps of a dataset whose photos stay where they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.machine.progress import progress

PHOTOS_FILE, CLASSES_FILE = "photos.parquet", "classes.json"


def write_listing(dataset: Dataset, folder: Path) -> None:
    """Writes photos.parquet (id, split, label, captions, sha256 of the file's bytes; a row a photo, in their order) and
    classes.json (names, templates). Equal photos give equal bytes. Raises DatasetError for a photo that cannot be read."""
    hashes = []
    with progress(f"Reading {dataset.name}", total=len(dataset.ids), unit="photo") as bar:
        for row, photo in enumerate(dataset.ids):
            try:
                hashes.append(hashlib.sha256(dataset.read(row)).digest())
            except OSError as error:
                raise DatasetError(
                    f"{dataset.name}: the photo {photo} cannot be read ({error.strerror}). Copy the dataset again."
                ) from error
            bar.advance()
    unknown = [None] * len(dataset.ids)
    table = pa.table(
        {
            "id": pa.array(dataset.ids, pa.string()),
            "split": pa.array(dataset.splits, pa.string()),
            "label": pa.array(unknown if dataset.labels is None else dataset.labels, pa.int32()),
            "captions": pa.array(unknown if dataset.captions is None else dataset.captions, pa.list_(pa.string())),
            "sha256": pa.array(hashes, pa.binary(32)),
        }
    )
    pq.write_table(table, folder / PHOTOS_FILE, compression="zstd")
    classes = {"names": dataset.class_names, "templates": dataset.templates}
    (folder / CLASSES_FILE).write_text(json.dumps(classes, indent=1, ensure_ascii=False) + "\n", "utf-8")
