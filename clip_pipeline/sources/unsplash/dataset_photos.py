"""The photos of the Unsplash Dataset: their urls, captions, sizes and photographers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.tables.values import plain_text
from clip_pipeline.sources.unsplash.dataset_files import find_parts, records

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "unsplash_dataset"
LICENCE = "Unsplash Dataset Terms"
TERMS = (
    "https://github.com/unsplash/datasets/blob/master/TERMS.md: photos and data may be stored and models trained on them, on "
    "those of the Full dataset for non-commercial purposes only; neither may be passed on."
)
PHOTO_URL = re.compile(r"https?://images\.unsplash\.com/\S+", re.IGNORECASE)
"""The only host of the photos. The files hold a few of others (images.unsplash.company, images.unsplash.com.jpg)."""

PHOTO_COLUMNS = ("photo_id", "photo_image_url")
ROWS_AT_A_TIME = 8192


def dataset_photos(folder: Path, counts: Counter[str]) -> Iterator[pa.Table]:
    """PHOTO_FIELDS of the photos, in pieces. Captions are the photographer's description and the machine's.

    Rows that are broken, without id or url, or with a url of another host are left out and counted in `counts`. Raises
    PhotosError for a folder without parts of photos, or with columns of other names.
    """
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for part in find_parts(folder, "photos", PHOTO_COLUMNS):
        for cells in records(part, counts):
            row = _photo_row(dict(zip(part.columns, cells, strict=True)), counts)
            if row:
                rows.append(row)
            if len(rows) >= ROWS_AT_A_TIME:
                yield pa.Table.from_pylist(rows, schema=pa.schema(PHOTO_FIELDS))
                rows = []
    yield pa.Table.from_pylist(rows, schema=pa.schema(PHOTO_FIELDS))


def _photo_row(said: dict[str, str], counts: Counter[str]) -> dict[str, Any] | None:
    photo_id, url = said["photo_id"].strip(), said["photo_image_url"].strip()
    if not photo_id or not url:
        counts["photos without id or url"] += 1
        return None
    if not PHOTO_URL.fullmatch(url):
        counts["photos of another host"] += 1
        return None
    texts = (plain_text(said.get(name, "")).strip() for name in ("photo_description", "ai_description"))
    names = [said.get(f"photographer_{part}_name", "").strip() for part in ("first", "last")]
    username = said.get("photographer_username", "").strip()
    name = plain_text(" ".join(filter(None, names)) or username)
    return {
        "id": plain_text(photo_id),
        "url": plain_text(url),
        "captions": list(dict.fromkeys(text for text in texts if text)),
        "words": [],
        "width": _number(said.get("photo_width", "")),
        "height": _number(said.get("photo_height", "")),
        "licence": LICENCE,
        "attribution": f"Photo by {name}{f' (@{plain_text(username)})' if username else ''} on Unsplash"
        if name
        else None,
        "source": SOURCE,
        "terms": TERMS,
    }


def _number(text: str) -> int | None:
    text = text.strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 9 and int(text) else None
