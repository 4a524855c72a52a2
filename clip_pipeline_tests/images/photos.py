"""Images and catalog rows that the tests of photos share."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from clip_pipeline.images.catalog import write_catalog
from clip_pipeline.records import IMAGE_LINKS


def jpeg(image: Image.Image, quality: int = 85, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def scene(seed: int, ball: str | tuple[int, int, int] = "orange", size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A soft landscape that follows from the seed, with a ball in its middle."""
    coarse = np.random.default_rng(seed).integers(40, 215, (6, 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    width, height = size
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), fill=ball)
    return image


def photo(photo_id: str, **fields: Any) -> dict[str, Any]:
    """The PHOTO_FIELDS of a photo; what is not given is null, one caption, a url made of the id."""
    return {
        "id": photo_id,
        "url": f"http://photos/{photo_id}",
        "captions": [f"a {photo_id}"],
        "source": "test",
        **fields,
    }


def links(word: str, *photos: dict[str, Any]) -> pa.Table:
    """IMAGE_LINKS rows of one word, in the order given."""
    rows = [{"word": word, "rank": rank, "words": [], **row} for rank, row in enumerate(photos)]
    return pa.Table.from_pylist(rows, schema=IMAGE_LINKS)


def shuffled(table: pa.Table, seed: int = 0) -> pa.Table:
    return table.take(np.random.default_rng(seed).permutation(len(table)))


def build_catalog(tables: Iterable[pa.Table], photos_per_shard: int, taken_down: Collection[str] = ()) -> pa.Table:
    """The photos.parquet that `write_catalog` writes."""
    with tempfile.TemporaryDirectory() as folder:
        write_catalog(tables, photos_per_shard, Path(folder, "catalog"), taken_down)
        return pq.read_table(Path(folder, "catalog", "photos.parquet"))
