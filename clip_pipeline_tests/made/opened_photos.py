"""Opened photos: all that they hold, and their listing as one table of PHOTO_FIELDS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.sources.photos.captions import CaptionOptions
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.photos.photos import Photos


def list_folder(
    folder: Path,
    captions: str = "",
    splits: str = "",
    file_key: str = "",
    caption_keys: str = "",
    counts: LeftOut | None = None,
) -> pa.Table:
    options = CaptionOptions(captions, (), splits, file_key, caption_keys)
    return pa.concat_tables(open_photos(folder, options, kind="folder").table(LeftOut() if counts is None else counts))


def list_tars(path: Path, caption_keys: str = "", counts: LeftOut | None = None) -> pa.Table:
    opened = open_photos(path, CaptionOptions(caption_keys=caption_keys), kind="tars")
    return pa.concat_tables(opened.table(LeftOut() if counts is None else counts))


def read_all(photos: Photos) -> dict[str, bytes | np.ndarray]:
    """What each photo gives, by name, in the order of iteration."""
    return {photo.name: photo.read() for photo in photos}
