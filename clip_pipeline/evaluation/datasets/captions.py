"""COCO, Flickr8k and Flickr30k: photos with several captions each, and the splits that everyone scores on."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset, captioned_dataset
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.sources.photos.captions import CaptionOptions
from clip_pipeline.sources.photos.open import open_photos


def open_captions(entry: Entry, path: Path) -> Dataset:
    """Photos with their usual caption files, in a folder or a tar; photos in none of the splits, or without a caption, are left out.

    Raises DatasetError where no photo has a caption; PhotosError, CaptionsError for files that cannot be read.
    """
    photos = open_photos(path, CaptionOptions(first=entry.files, captions_wanted=True), say=False)
    captions, splits = photos.metadata.captions, photos.metadata.splits
    if captions is None or not any(captions):
        raise DatasetError(
            f"{path} holds {len(photos):,} photos and no captions. {entry.title} is read from: {entry.expects}."
        )
    rows = [row for row, texts in enumerate(captions) if texts and (splits is None or splits[row])]
    return captioned_dataset(entry.name, photos, rows)
