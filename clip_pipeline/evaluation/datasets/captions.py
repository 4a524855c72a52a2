"""COCO, Flickr8k and Flickr30k: photos with several captions each, and the splits that everyone scores on."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.sources.photos.image_set import open_image_set


def open_captions(entry: Entry, path: Path) -> Dataset:
    """Photos with their usual caption files, in a folder or a tar; photos in none of the splits are left out.

    Raises DatasetError where no photo has a caption; PhotosError, CaptionsError for files that cannot be read.
    """
    photos = open_image_set(path, captions_in=entry.files)
    if photos.captions is None or not any(photos.captions):
        raise DatasetError(
            f"{path} holds {len(photos):,} photos and no captions. {entry.title} is read from: {entry.expects}."
        )
    splits, captions = photos.splits or ["test"] * len(photos), photos.captions
    rows = [row for row, split in enumerate(splits) if split and captions[row]]
    return Dataset(
        entry.name,
        [photos.ids[row] for row in rows],
        [splits[row] for row in rows],
        lambda row: photos.read(rows[row]),
        captions=[captions[row] for row in rows],
    )
