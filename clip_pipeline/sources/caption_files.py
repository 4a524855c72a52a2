"""Finds and reads the file that holds the captions of a folder of photos."""

from __future__ import annotations

import re
from pathlib import Path

from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.table_files import FileTable, read_table_file, read_text, texts_of

PHOTO_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

CAPTION_FILES = (
    *(f"captions.{ending}" for ending in ("csv", "tsv", "jsonl", "json", "txt", "parquet")),
    *(f"metadata.{ending}" for ending in ("csv", "tsv", "jsonl", "parquet")),
    *("results.csv", "results_20130124.token", "captions.token.txt"),
)
"""Names looked for, in this order; after them any *.token.txt (Flickr8k's), without lemmas before with."""

FILE_COLUMNS = (
    *("file", "file_name", "filename", "filepath", "file_path", "image", "image_name", "image_file", "image_path"),
    *("image_filename", "img", "img_path", "photo", "path", "name", "image_id", "photo_id", "key", "id"),
)
CAPTION_COLUMNS = (
    *("caption", "captions", "text", "texts", "title", "description", "comment", "comments", "sentence", "sentences"),
    *("alt_text", "alt", "alt_description", "prompt"),
)
NUMBERED_CAPTION = re.compile(r"(caption|text|title|description|comment|sentence)[ _\-]?\d+", re.IGNORECASE)
TOKEN_LINE = re.compile(r"(?P<file>[^\t#]+\.\w+)#\d+\t(?P<caption>.*)")


def is_photo_name(name: str) -> bool:
    """Whether the name ends as a photo's does; upper and lower case are the same."""
    return name.strip().lower().endswith(PHOTO_ENDINGS)


def find_caption_file(folder: Path) -> Path | None:
    """The caption file at the top of the folder, or in its `text` or `annotations` folder; None where there is none."""
    for place in (folder, folder / "text", folder / "annotations"):
        if not place.is_dir():
            continue
        files = {path.name.lower(): path for path in sorted(place.iterdir()) if path.is_file()}
        tokens = sorted((n for n in files if n.endswith((".token.txt", ".token"))), key=lambda n: ("lemma" in n, n))
        for name in (*CAPTION_FILES, *tokens):
            if name in files:
                return files[name]
    return None


def read_caption_file(path: Path) -> list[tuple[str, list[str]]]:
    """(file name as written, captions) of every row, in the order of the file.

    Reads Flickr8k's tokens (`name.jpg#0<TAB>caption`), CSV, TSV, `|`-separated, JSONL, JSON and Parquet. Rows without a
    file name are left out. Raises CaptionsError with the columns found where no file or no caption column is known.
    """
    if path.suffix.lower() in (".txt", ".token") and path.is_file():
        rows = _token_rows(path)
        if rows:
            return rows
    table = read_table_file(path, _columns_of_data, CaptionsError)
    file_column, caption_columns = table.column(FILE_COLUMNS), _caption_columns(table)
    if file_column is None or not caption_columns or file_column in caption_columns:
        missing = "file names" if file_column is None else "captions"
        raise CaptionsError(
            f"{path} has the columns {', '.join(table.columns)}, and none that is known to hold {missing}. "
            "Name them file and caption; file_name, image, path and captions, text, title, description are known too."
        )
    rows = []
    for row in table.rows:
        name = row.get(file_column)
        if name is not None and str(name).strip():
            rows.append((str(name).strip(), [text for one in caption_columns for text in texts_of(row.get(one))]))
    if not any(captions for _, captions in rows):
        raise CaptionsError(
            f"{path}: the column {caption_columns[0]} is empty in every row. Give captions to train on."
        )
    return rows


def _token_rows(path: Path) -> list[tuple[str, list[str]]]:
    lines = [line.rstrip("\r") for line in read_text(path, CaptionsError).split("\n") if line.strip()]
    found = [TOKEN_LINE.fullmatch(line) for line in lines]
    if not found or found[0] is None:
        return []
    for line, match in zip(lines, found, strict=True):
        if match is None:
            raise CaptionsError(
                f"{path}: expected name.jpg#0, a tab and the caption, found {line[:60]!r}. Mend that line."
            )
    return [(match["file"].strip(), texts_of(match["caption"])) for match in found if match]


def _columns_of_data(cells: list[str]) -> list[str] | None:
    """The first line is data when it begins with a photo's name; the caption is then its last cell."""
    if len(cells) < 2 or not is_photo_name(cells[0]):
        return None
    return ["file", *(f"column {number}" for number in range(2, len(cells))), "caption"]


def _caption_columns(table: FileTable) -> list[str]:
    numbered = [column for column in table.columns if NUMBERED_CAPTION.fullmatch(column.strip())]
    one = table.column(CAPTION_COLUMNS)
    return ([one] if one is not None else []) + numbered
