"""A file of photo urls with what is known of each: one a line, CSV, TSV, JSONL or Parquet (LAION's columns too)."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from clip_pipeline.errors import PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.caption_files import CAPTION_COLUMNS
from clip_pipeline.sources.folder import SPLIT_NAMES
from clip_pipeline.sources.table_files import FileTable, read_table_file, texts_of

logger = logging.getLogger(__name__)

URL_COLUMNS = ("url", "urls", "image_url", "photo_image_url", "img_url", "link", "href", "src", "image")
OTHER_COLUMNS: dict[str, Sequence[str]] = {
    "id": ("id", "photo_id", "image_id", "sample_id", "key"),
    "captions": ("captions", *CAPTION_COLUMNS, "photo_description", "ai_description"),
    "width": ("width", "original_width", "photo_width"),
    "height": ("height", "original_height", "photo_height"),
    "licence": ("licence", "license"),
    "attribution": ("attribution", "author", "photographer", "credit", "photographer_username"),
    "terms": ("terms",),
    "split": ("split",),
}


def read_url_list(path: Path) -> pa.Table:
    """Photos of a list of urls: PHOTO_FIELDS, one row an id, in the order of the file.

    The file has a column url, and may have captions (or caption, text), id, width, height (pixels), licence,
    attribution, terms and split; without a header a line is one url, or a url and a caption in either order. `id` is
    the given one or 16 hex digits of the url's SHA-256. Rows of one id become one, with all their captions; rows without a url are
    left out and counted in the log. Raises PhotosError with the columns found where none holds urls.
    """
    table = read_table_file(path, _columns_of_data, PhotosError)
    url_column = table.column(URL_COLUMNS)
    if url_column is None:
        raise PhotosError(
            f"{path} has the columns {', '.join(table.columns)[:300]}, and none that is known to hold urls. Name it url; "
            "captions (or caption, text), id, width, height and licence are read too where they are there."
        )
    columns = {field: column for field, names in OTHER_COLUMNS.items() if (column := table.column(names)) != url_column}
    photos = _photos(table, url_column, columns)
    if not photos:
        raise PhotosError(f"{path} has no url in its column {url_column}. Give a file with a url for each photo.")
    dropped = sum(1 for row in table.rows if not _text(row.get(url_column)))
    logger.info("Read %d photos from %s (rows %d, without url %d)", len(photos), path, len(table.rows), dropped)
    return pa.Table.from_pylist(list(photos.values()), pa.schema(PHOTO_FIELDS))


def _columns_of_data(cells: list[str]) -> list[str] | None:
    place = next((place for place, cell in enumerate(cells) if cell.strip().startswith(("http://", "https://"))), None)
    if place is None:
        return None
    names = [f"column {number}" for number in range(1, len(cells) + 1)]
    names[place] = "url"
    if len(cells) == 2:
        names[1 - place] = "caption"
    return names


def _photos(table: FileTable, url_column: str, columns: dict[str, str | None]) -> dict[str, dict[str, Any]]:
    photos: dict[str, dict[str, Any]] = {}
    for row in table.rows:
        url = _text(row.get(url_column))
        if not url:
            continue
        told = {field: row.get(column) if column else None for field, column in columns.items()}
        photo_id = _text(told.get("id")) or hashlib.sha256(url.encode()).hexdigest()[:16]
        captions = list(dict.fromkeys(texts_of(told.get("captions"))))
        if photo_id in photos:
            known = photos[photo_id]["captions"]
            known.extend(text for text in captions if text not in known)
            continue
        photos[photo_id] = {
            "id": photo_id,
            "url": url,
            "captions": captions,
            "words": [],
            "width": _pixels(told.get("width")),
            "height": _pixels(told.get("height")),
            "licence": _text(told.get("licence")),
            "attribution": _text(told.get("attribution")),
            "source": "url_list",
            "terms": _text(told.get("terms")),
            "split": SPLIT_NAMES.get((_text(told.get("split")) or "").lower()),
        }
    return photos


def _text(value: Any) -> str | None:
    """The value as stripped text; None for nothing, which a table may write as an empty cell, a null or not a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _pixels(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if math.isfinite(number) and 0 < number < 2**31 else None
