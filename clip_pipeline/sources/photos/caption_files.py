"""Finds and reads the file that holds the captions of a folder of photos."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, InputError, nearest_name
from clip_pipeline.sources.photos.coco import COCO_KEYS, read_coco
from clip_pipeline.sources.photos.metadata import fact_columns, read_fact, text_of
from clip_pipeline.sources.photos.names import is_photo_name
from clip_pipeline.sources.photos.splits import split_of_folder
from clip_pipeline.sources.tables.open_table import StreamedTable, stream_table_file
from clip_pipeline.sources.tables.text_files import open_json, plain_ending, text_lines
from clip_pipeline.sources.tables.values import texts_of

CAPTION_FILES = (
    *(f"captions.{ending}" for ending in ("csv", "tsv", "jsonl", "json", "txt", "parquet")),
    *(f"metadata.{ending}" for ending in ("csv", "tsv", "jsonl", "json", "parquet")),
    *("results.csv", "results_20130124.token", "captions.token.txt"),
)
"""Names looked for, in this order; after them any *.token.txt (Flickr8k's), without lemmas before with."""

CAPTION_PLACES = ("", "text", "annotations")
"""Folders, from that of the photos, in which they are looked for."""

MAX_FOLDERS_LOOKED_INTO = 20
"""In which folders of splits are looked for; more are classes."""

TABLE_ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
PUBLISHED_JSON = re.compile(r"(?:captions|dataset)_(?P<images>\w+)\.json")

FILE_COLUMNS = (
    *("file", "file_name", "filename", "filepath", "file_path", "image", "image_name", "image_file", "image_path"),
    *("image_filename", "img", "img_path", "photo", "path", "name", "image_id", "photo_id", "key", "id"),
)
CAPTION_COLUMNS = (
    *("caption", "captions", "text", "texts", "title", "description", "comment", "comments", "sentence", "sentences"),
    *("alt_text", "alt", "alt_description", "prompt", "raw"),
)
"""The last is that of Karpathy's lists and of Flickr30k as a CSV, whose cells hold a list."""
NUMBERED_CAPTION = re.compile(r"(caption|text|title|description|comment|sentence)[ _\-]?\d+", re.IGNORECASE)
TOKEN_LINE = re.compile(r"(?P<file>[^\t#]+\.\w+)#\d+\t(?P<caption>.*)")


@dataclass(frozen=True, slots=True)
class Captioned:
    """What one row of a caption file says: the photo's name as written, its captions, and facts by field (metadata.py)."""

    name: str
    captions: list[str]
    facts: dict[str, Any] = field(default_factory=dict)


def find_caption_files(folder: Path) -> list[Path]:
    """The caption files at the top of the folder, or in its `text` or `annotations` folder: one of a name that is known;
    else all captions_*.json and dataset_*.json there (COCO's, Karpathy's); else all tables with a column for the file and
    one for the caption, such as train.csv and val.csv. Besides, those in folders of splits (train/metadata.jsonl), there or a
    folder below. Empty where there is none."""
    files = _files_in(_places(folder))
    above, inside = _split_places(folder)
    files = files or [file for file in _files_in(above) if reads_as_captions(file)]
    for place in inside:
        files += [file for file in _files_in([place]) if reads_as_captions(file)]
    return files


def names_captions(files: Sequence[Path]) -> bool:
    """Whether files are called after captions: captions.csv, COCO's and Karpathy's, Flickr8k's and Flickr30k's."""
    return all(
        name.startswith("captions.") or PUBLISHED_JSON.fullmatch(name) or name.endswith((".token", ".token.txt"))
        for name in (file.name.lower() for file in files)
    )


def _files_in(places: Sequence[Path]) -> list[Path]:
    for place in places:
        files = {path.name.lower(): path for path in sorted(place.iterdir()) if path.is_file()}
        tokens = sorted((n for n in files if n.endswith((".token.txt", ".token"))), key=lambda n: ("lemma" in n, n))
        for name in (*CAPTION_FILES, *tokens):
            # much else is called metadata.json
            if name in files and (name != "metadata.json" or reads_as_captions(files[name])):
                return [files[name]]
    for place in places:
        published = [path for path in sorted(place.iterdir()) if PUBLISHED_JSON.fullmatch(path.name.lower())]
        if published:
            return [path for path in published if path.is_file()]
    for place in places:
        tables = [path for path in sorted(place.iterdir()) if path.is_file() and _may_hold_captions(path)]
        if tables:
            return tables
    return []


def reads_as_captions(path: Path) -> bool:
    """Whether the file is a table or list that gives a photo a caption, by its first row."""
    try:
        return next(read_caption_file(path, left_out=LeftOut()), None) is not None
    except CaptionsError:
        return False


def _split_places(folder: Path) -> tuple[list[Path], list[Path]]:
    """(folders that hold folders of splits, the folders of splits), in the folder or one below it."""
    above, inside = [], []
    tops = _folders_in(folder)
    for parent in (folder, *(tops if len(tops) <= MAX_FOLDERS_LOOKED_INTO else ())):
        found = [place for place in (tops if parent is folder else _folders_in(parent)) if split_of_folder(place.name)]
        inside += found if parent is folder or not split_of_folder(parent.name) else []
        if found and parent is not folder:
            above.append(parent)
    return above, inside


def _folders_in(folder: Path) -> list[Path]:
    """Those that may be looked into, without hidden ones and links."""
    with os.scandir(folder) as entries:
        found = [Path(one.path) for one in entries if one.is_dir(follow_symlinks=False) and one.name[0] != "."]
    return sorted(place for place in found if os.access(place, os.R_OK | os.X_OK))


def _places(folder: Path) -> list[Path]:
    return [folder / place for place in CAPTION_PLACES if (folder / place).is_dir()]


def _may_hold_captions(path: Path) -> bool:
    """Whether a CSV, TSV, JSONL or Parquet file of any name has the columns of a caption file, and names photos."""
    if plain_ending(path) not in TABLE_ENDINGS or path.name.startswith("."):
        return False
    try:
        table = stream_table_file(path, _columns_of_data, CaptionsError)
        first = next(table.rows, {})
    except CaptionsError:
        return False
    name = table.column(FILE_COLUMNS)
    return name is not None and bool(_caption_columns(table)) and is_photo_name(str(first.get(name)))


def read_caption_file(
    path: Path, file_key: str = "", caption_keys: str = "", left_out: LeftOut | None = None
) -> Iterator[Captioned]:
    """The rows in the order of the file; of COCO's and Karpathy's JSON one a photo.

    Reads those, Flickr8k's tokens (`name.jpg#0<TAB>caption`), CSV, TSV, `|`-separated, JSONL, JSON and Parquet. file_key,
    caption_keys: columns, the latter with commas between; "" finds them by their usual names. Rows without a file name, and
    captions of images that COCO's file does not list, are counted in left_out, or a warning where that is None. Raises CaptionsError with the columns found where no file or no caption column is known.
    """
    ending = plain_ending(path)
    if ending in (".txt", ".token") and path.is_file() and _holds_tokens(path):
        yield from _token_rows(path)
        return
    if ending == ".json" and path.is_file() and _is_coco(path):
        with open_json(path, CaptionsError) as stream:
            for row in read_coco(path, stream, left_out):
                yield Captioned(*row)
        return
    yield from _table_rows(path, file_key, caption_keys, left_out)


def _table_rows(path: Path, file_key: str, caption_keys: str, left_out: LeftOut | None) -> Iterator[Captioned]:
    table = stream_table_file(path, _columns_of_data, CaptionsError)
    file_column = chosen_columns(table, file_key, path, CaptionsError)[0] if file_key else table.column(FILE_COLUMNS)
    captions = chosen_columns(table, caption_keys, path, CaptionsError) if caption_keys else _caption_columns(table)
    if file_column is None or not captions or file_column in captions:
        what, known = ("file names", FILE_COLUMNS) if file_column is None else ("captions", CAPTION_COLUMNS)
        raise CaptionsError(
            f"{path} has the columns {', '.join(table.columns)[:300]}, and none that is known to hold {what}. Expected "
            f"were filepath, file_name, image ... and caption, title, text ...{_nearest(table.columns, known)} Name the "
            "column so, or give it as links.file_key or links.caption_keys."
        )
    facts = {name: column for name, column in fact_columns(table).items() if column not in (file_column, *captions)}
    any_caption, lost = False, LeftOut()
    for row in table.rows:
        name = text_of(row.get(file_column))
        if name is None:
            texts = [text for one in captions for text in texts_of(row.get(one))]
            lost.add("row without a file name", 1, next(iter(texts), ""))
        else:
            said = {field: fact for field, column in facts.items() if (fact := read_fact(field, row.get(column)))}
            texts = [text for one in captions for text in texts_of(row.get(one))]
            any_caption = any_caption or bool(texts)
            yield Captioned(name, texts, said)
    lost.hand_on(left_out, path.name)
    if not any_caption:
        raise CaptionsError(f"{path}: the column {captions[0]} is empty in every row. Give captions to train on.")


def _nearest(columns: Sequence[str], known: Sequence[str]) -> str:
    for column in columns:
        close = difflib.get_close_matches(column.strip().lower(), known, n=1, cutoff=0.75)
        if close:
            return f' Is "{column}" meant to be "{close[0]}"?'
    return ""


def chosen_columns(table: StreamedTable, keys: str, path: Path, error: type[InputError]) -> list[str]:
    """The columns of those names, which stand with commas between. Raises `error` with the columns found."""
    chosen = []
    for key in filter(None, (key.strip() for key in keys.split(","))):
        column = key if key in table.columns else table.column([re.sub(r"[\s\-]+", "_", key.lower())])
        if column is None:
            raise error(
                f'{path} has no column "{key}". {nearest_name(key, table.columns)} See links.file_key, links.caption_keys.'
            )
        chosen += [column, *(one for one in table.repeats(column) if re.fullmatch(re.escape(column) + r" \d+", one))]
    return list(dict.fromkeys(chosen))


def _is_coco(path: Path) -> bool:
    """Whether JSON is an object with a list of images, rather than one from file name to captions, or a list."""
    with open_json(path, CaptionsError) as stream:
        if stream.kind != "{":
            return False
        for name in stream.members():
            if name in COCO_KEYS and stream.kind == "[":
                return all(isinstance(one, dict) for one in itertools.islice(stream.items(), 1))
            if name not in ("info", "licenses", "dataset", "type"):
                return False
    return False


def _token_lines(path: Path) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in text_lines(path, CaptionsError))


def _holds_tokens(path: Path) -> bool:
    first = next((line for line in _token_lines(path) if line.strip()), "")
    return TOKEN_LINE.fullmatch(first) is not None


def _token_rows(path: Path) -> Iterator[Captioned]:
    for number, line in enumerate(_token_lines(path), start=1):
        if not line.strip():
            continue
        match = TOKEN_LINE.fullmatch(line)
        if match is None:
            raise CaptionsError(
                f"{path}: line {number:,} is not name.jpg#0, a tab and the caption, as those before. Mend that line."
            )
        yield Captioned(match["file"].strip(), texts_of(match["caption"]))


def _columns_of_data(cells: list[str]) -> list[str] | None:
    """The first line is data when it begins with a photo's name; the caption is then its last cell."""
    if len(cells) < 2 or not is_photo_name(cells[0]):
        return None
    return ["file", *(f"column {number}" for number in range(2, len(cells))), "caption"]


def _caption_columns(table: StreamedTable) -> list[str]:
    numbered = [column for column in table.columns if NUMBERED_CAPTION.fullmatch(column.strip())]
    one = table.column(CAPTION_COLUMNS)
    named = [one, *table.repeats(one)] if one is not None else []
    return list(dict.fromkeys([*named, *numbered]))
