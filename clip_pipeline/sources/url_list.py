"""A file of photo urls with what is known of each: one a line, CSV, TSV, JSONL or Parquet (LAION's columns too)."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.caption_files import CAPTION_COLUMNS
from clip_pipeline.sources.folder import SPLIT_NAMES
from clip_pipeline.sources.table_files import keywords_of, plain_ending, plain_text, stream_table_file, texts_of

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

URL_COLUMNS = ("url", "urls", "image_url", "photo_image_url", "img_url", "link", "href", "src", "image")
OTHER_COLUMNS: dict[str, Sequence[str]] = {
    "id": ("id", "photo_id", "image_id", "sample_id", "key"),
    "captions": ("captions", *CAPTION_COLUMNS, "photo_description", "ai_description"),
    "words": ("words", "keywords", "keyword", "tags", "labels"),
    "width": ("width", "original_width", "photo_width"),
    "height": ("height", "original_height", "photo_height"),
    "licence": ("licence", "license"),
    "attribution": ("attribution", "author", "photographer", "credit", "photographer_username"),
    "terms": ("terms",),
    "split": ("split",),
}


LIST_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
ROWS_AT_A_TIME = 4096


def list_url_photos(path: Path, counts: Counter[str]) -> Iterator[pa.Table]:
    """Photos of a list of urls, or of all lists in a folder: PHOTO_FIELDS in pieces, in the order of the file.

    A file has a column url, and may have captions (or caption, text), keywords, id, width, height (pixels), licence,
    attribution, terms and split; without a header a line is one url, or a url and a caption in either order. `id` is
    the given one or 16 hex digits of the url's SHA-256; several rows may have one id. Rows without a url are left out and
    counted in `counts`. Raises PhotosError with the columns found where none holds urls, and where there is no url at all.
    """
    import pyarrow as pa

    path = path.expanduser()
    for file in _list_files(path) if path.is_dir() else [path]:
        found = 0
        for rows in _photos(file, counts):
            found += len(rows)
            yield pa.Table.from_pylist(rows, pa.schema(PHOTO_FIELDS))
        logger.info("Read %d photos from %s (left out so far: %s)", found, file, dict(counts))


def _list_files(folder: Path) -> list[Path]:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and plain_ending(file) in LIST_ENDINGS]
    files = [file for file in files if not file.name.startswith((".", "_"))]
    if not files:
        raise PhotosError(f"{folder} holds no list of urls. Files ending in {', '.join(LIST_ENDINGS)} were expected.")
    return files


def _columns_of_data(cells: list[str]) -> list[str] | None:
    place = next((place for place, cell in enumerate(cells) if cell.strip().startswith(("http://", "https://"))), None)
    if place is None:
        return None
    names = [f"column {number}" for number in range(1, len(cells) + 1)]
    names[place] = "url"
    if len(cells) == 2:
        names[1 - place] = "caption"
    return names


def _photos(path: Path, counts: Counter[str]) -> Iterator[list[dict[str, Any]]]:
    table = stream_table_file(path, _columns_of_data, PhotosError)
    url_column = table.column(URL_COLUMNS)
    if url_column is None:
        raise PhotosError(
            f"{path} has the columns {', '.join(table.columns)[:300]}, and none that is known to hold urls. Name it url; "
            "captions (or caption, text), id, width, height and licence are read too where they are there."
        )
    columns = {field: column for field, names in OTHER_COLUMNS.items() if (column := table.column(names)) != url_column}
    rows, any_url = [], False
    for row in table.rows:
        photo = _photo(row, url_column, columns)
        if photo is None:
            counts["rows without url"] += 1
            continue
        any_url = True
        rows.append(photo)
        if len(rows) >= ROWS_AT_A_TIME:
            yield rows
            rows = []
    if not any_url:
        raise PhotosError(f"{path} has no url in its column {url_column}. Give a file with a url for each photo.")
    counts.update(table.dropped)
    yield rows


def _photo(row: dict[str, Any], url_column: str, columns: dict[str, str | None]) -> dict[str, Any] | None:
    url = _text(row.get(url_column))
    if not url:
        return None
    told = {field: row.get(column) if column else None for field, column in columns.items()}
    return {
        "id": _text(told.get("id")) or hashlib.sha256(url.encode()).hexdigest()[:16],
        "url": url,
        "captions": list(dict.fromkeys(texts_of(told.get("captions")))),
        "words": keywords_of(told.get("words")),
        "width": _pixels(told.get("width")),
        "height": _pixels(told.get("height")),
        "licence": _text(told.get("licence")),
        "attribution": _text(told.get("attribution")),
        "source": "url_list",
        "terms": _text(told.get("terms")),
        "split": SPLIT_NAMES.get((_text(told.get("split")) or "").lower()),
    }


def _text(value: Any) -> str | None:
    """The value as stripped text; None for nothing, which a table may write as an empty cell, a null or not a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return plain_text(str(value).strip()) or None


def _pixels(value: Any) -> int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if math.isfinite(number) and 0 < number < 2**31 else None
