"""A file of photo urls with what is known of each: one a line, CSV, TSV, JSONL or Parquet (LAION's columns too)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.counts import counts_text
from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.settings import PairsSettings
from clip_pipeline.sources.photos.caption_files import CAPTION_COLUMNS, chosen_columns
from clip_pipeline.sources.photos.metadata import fact_columns, read_fact, text_of
from clip_pipeline.sources.photos.rating_filters import fit_photos
from clip_pipeline.sources.tables.open_table import stream_table_file
from clip_pipeline.sources.tables.text_files import check_text, plain_ending
from clip_pipeline.sources.tables.values import texts_of

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

URL_COLUMNS = ("url", "urls", "image_url", "photo_image_url", "img_url", "link", "href", "src", "image")
ID_COLUMNS = ("id", "photo_id", "image_id", "sample_id", "key")
LIST_CAPTION_COLUMNS = ("captions", *CAPTION_COLUMNS, "photo_description", "ai_description")

LIST_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
ROWS_AT_A_TIME = 4096
LISTS_CHECKED = 20
"""Of a folder of lists before long work: LAION's lists are some hundred files made by one program."""


def list_url_photos(
    path: Path, counts: LeftOut, ratings: PairsSettings | None = None, caption_keys: str = ""
) -> Iterator[pa.Table]:
    """Photos of a list of urls, or of all lists in a folder: PHOTO_FIELDS in pieces, in the order of the file.

    A file has a column url, and may have captions (or caption, text), keywords, id, width, height (pixels), licence,
    attribution, terms, split and the ratings of LAION's lists (see metadata.py); without a header a line is one url, or a
    url and a caption in either order. caption_keys: columns of captions, with commas between; "" finds one.

    `id` is the given one or 16 hex digits of the url's SHA-256; several rows may have one id, and where their urls differ they
    get ids of their own later (`with_distinct_ids`). Left out and counted in `counts` are rows without a url, and with
    `ratings` those that its filters exclude: what is not listed is not downloaded. Raises PhotosError with the columns found
    where none holds urls, and where there is no url at all.
    """
    import pyarrow as pa

    path = path.expanduser()
    for file in _list_files(path) if path.is_dir() else [path]:
        found = 0
        for rows in _photos(file, counts, caption_keys):
            table = pa.Table.from_pylist(rows, pa.schema(PHOTO_FIELDS))
            if ratings is not None:
                table = fit_photos(table, ratings, counts)
            found += len(table)
            yield table
        logger.info("Read %d photos from %s (left out so far: %s)", found, file, counts_text(counts))


def check_url_lists(path: Path, caption_keys: str = "") -> None:
    """Reads the first rows of the list, of a folder those of 20 of its lists from the first to the last, and the bytes of texts
    (`check_text`), before long work. Raises PhotosError as `list_url_photos`."""
    files = _list_files(path) if path.is_dir() else [path]
    step = -(-len(files) // LISTS_CHECKED)
    for file in dict.fromkeys([*files[::step], files[-1]]):
        next(_photos(file, LeftOut(), caption_keys), None)
        if plain_ending(file) not in (".parquet", ".pq"):
            check_text(file, PhotosError)


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


def _photos(path: Path, counts: LeftOut, caption_keys: str) -> Iterator[list[dict[str, Any]]]:
    table = stream_table_file(path, _columns_of_data, PhotosError)
    url_column = table.column(URL_COLUMNS)
    if url_column is None:
        raise PhotosError(
            f"{path} has the columns {', '.join(table.columns)[:300]}, and none that is known to hold urls. Name it url; "
            "captions (or caption, text), id, width, height and licence are read too where they are there."
        )
    facts = {field: column for field, column in fact_columns(table).items() if column != url_column}
    id_column = table.column(ID_COLUMNS)
    first = table.column(LIST_CAPTION_COLUMNS)
    captions = (
        chosen_columns(table, caption_keys, path, PhotosError)
        if caption_keys
        else [first, *table.repeats(first)]
        if first
        else []
    )
    nothing: dict[str, Any] = {field.name: None for field in PHOTO_FIELDS} | {"words": [], "source": "url_list"}
    rows, any_url = [], False
    for row in table.rows:
        url = text_of(row.get(url_column))
        if not url:
            counts.add("row without url", 1, f"{path.name}: {_said_by(row)}")
            continue
        any_url = True
        said = {field: read_fact(field, row.get(column)) for field, column in facts.items()}
        photo_id = text_of(row.get(id_column)) if id_column and id_column != url_column else None
        about = {
            "id": photo_id or hashlib.sha256(url.encode()).hexdigest()[:16],
            "url": url,
            "captions": list(dict.fromkeys(text for column in captions for text in texts_of(row.get(column)))),
        }
        rows.append(nothing | said | about)
        if len(rows) >= ROWS_AT_A_TIME:
            yield rows
            rows = []
    if not any_url:
        raise PhotosError(f"{path} has no url in its column {url_column}. Give a file with a url for each photo.")
    counts.take(table.dropped)
    yield rows


def _said_by(row: Mapping[str, Any]) -> str:
    """What a row says, for people who look for it."""
    return ", ".join(f"{name} {value}" for name, value in row.items() if value not in (None, ""))
