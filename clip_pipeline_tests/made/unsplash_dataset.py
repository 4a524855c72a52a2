"""The files of a small Unsplash Dataset, and what is read of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa

from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.unsplash.dataset_keywords import BLOCK_BYTES, dataset_keywords
from clip_pipeline.sources.unsplash.dataset_photos import dataset_photos

PHOTOS = (
    "photo_id\tphoto_url\tphoto_image_url\tphoto_submitted_at\tphoto_width\tphoto_height\tphoto_description\t"
    "photographer_username\tphotographer_first_name\tphotographer_last_name\tai_description\tblur_hash\n"
)
KEYWORDS = "photo_id\tkeyword\tai_service_1_confidence\tai_service_2_confidence\tsuggested_by_user\n"
LINES = "a\tcup\t90.5\t\tf\na\tred cup\t10\t29.9\tf\nb\tcup\t\t\tt\nb\ttable\t\t45\tf\nb\tsky\t\t\tf\n"


def photo_line(photo_id: str, url: str = "", description: str = "", ai: str = "a cup", width: str = "4000") -> str:
    url = url or f"https://images.unsplash.com/photo-{photo_id}"
    return (
        f"{photo_id}\thttps://unsplash.com/photos/{photo_id}\t{url}\t2019-01-01 00:00:00\t{width}\t3000\t{description}\t"
        f"ann\tAnn\tLee\t{ai}\tLEHV6nWB2yk8pyo0adR*.7kCMdnj\n"
    )


def photos_of(folder: Path) -> tuple[list[dict], Counter[str]]:
    counts: Counter[str] = Counter()
    table = pa.concat_tables(dataset_photos(folder, counts))
    assert table.schema == pa.schema(PHOTO_FIELDS)
    return table.to_pylist(), counts


def keywords_of(folder: Path, least: float = 30, block_bytes: int = BLOCK_BYTES) -> tuple[list[tuple], Counter[str]]:
    counts: Counter[str] = Counter()
    rows = pa.concat_tables(dataset_keywords(folder, least, counts, block_bytes)).to_pylist()
    return [tuple(row.values()) for row in rows], +counts
