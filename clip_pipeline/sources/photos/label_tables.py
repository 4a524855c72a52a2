"""Labels of photos from tables and lists beside them: Kaggle's train.csv, Hugging Face's metadata, a list of names and classes."""

from __future__ import annotations

import itertools
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.caption_files import CAPTION_COLUMNS, FILE_COLUMNS, TABLE_ENDINGS
from clip_pipeline.sources.photos.metadata import text_of
from clip_pipeline.sources.photos.names import PhotoFinder, is_photo_name, path_inside
from clip_pipeline.sources.photos.several_labels import check_one_label_each
from clip_pipeline.sources.photos.splits import SPLIT_NAMES, split_in, split_of_folder
from clip_pipeline.sources.tables.open_table import StreamedTable, stream_table_file
from clip_pipeline.sources.tables.text_files import plain_ending, text_lines

LABEL_COLUMNS = (
    *(
        "class_name",
        "label_name",
        "category_name",
        "species",
        "breed",
        "label",
        "labels",
        "class",
        "classes",
        "category",
    ),
    *(
        "target",
        "class_id",
        "classid",
        "label_id",
        "category_id",
        "target_id",
        "diagnosis",
        "dx",
        "variety",
        "cultivar",
        "genre",
    ),
    "y",
)
PLACES = ("", "annotations", "labels", "meta", "metadata")
LISTS = re.compile(
    r"(.*[_\-])?(train|training|val|valid|validation|test|labels?|annotations?|list|all)([_\-].*)?", re.IGNORECASE
)
"""Names, without .txt, of lists with a photo and its class a line."""

LISTED = re.compile(r"(?P<file>\S.*?\.\w{2,5})(\t\s*|\s*[,;]\s*|\s+)(?P<label>[^\t]*?\S)\s*(\t.*)?")
NO_LABELS = re.compile(r"(sample[_\-]?)?submission|pred(iction)?s?\b|results?$", re.IGNORECASE)
"""Files whose labels are nobody's: Kaggle's example of an answer, what a model said."""

MAX_FILES, ROWS_LOOKED_AT = 50, 2000
MAX_DISTINCT_SHARE = 0.5
"""Of a column without a known name: values to rows, above which it holds no classes."""


@dataclass(frozen=True)
class LabelledRows:
    """labels, splits: one a photo, None for one that no file names, "" for no split. files: what was read. left_out: labels of photos
    that are not there."""

    labels: list[str | None]
    splits: list[str]
    files: list[Path]
    left_out: LeftOut


def labels_by_tables(folder: Path, names: Sequence[str]) -> LabelledRows | None:
    """Labels of the photos by the tables and lists in the folder, in its annotations and in folders of splits; None without any.

    A table that has captions too is none of labels, unless it is called so. Raises PhotosError for a photo with two
    labels, in two rows or in one cell, and for a table of which no photo is there.
    """
    finder = PhotoFinder(names)
    found: dict[str, tuple[str, str]] = {}
    files: list[Path] = []
    strangers: list[str] = []
    lost = LeftOut()
    for file in _candidates(folder):
        rows = _rows(file)
        if rows is None:
            continue
        below, absent, known = file.parent.relative_to(folder).as_posix(), [], list[tuple[str, str]]()
        for written, label, said in rows:
            name = _photo(finder, folder, below, written)
            if name is None:
                absent.append(written)
                continue
            known.append((written, label))
            split = said or _split_of(name, file)
            before = found.setdefault(name, (label, split))
            if before[0] != label:
                raise PhotosError(
                    f'{file} gives {written} the label "{label}", and before it was "{before[0]}". A photo has one class here: keep one '
                    "row a photo."
                )
        if known:
            check_one_label_each(known, file)
            files.append(file)
        if known and absent:
            lost.add(
                f"photos that {file.relative_to(folder).as_posix()} labels and that are not there",
                len(absent),
                absent[0],
            )
        elif absent:
            strangers.append(f"{file} names {len(absent):,} photos, such as {absent[0]}, and none of them is there.")
    if not found:
        if strangers:
            raise PhotosError(f"{strangers[0]} Give the folder that the names begin in, or lay the photos there.")
        return None
    return LabelledRows(
        [found[name][0] if name in found else None for name in names],
        [found[name][1] if name in found else "" for name in names],
        files,
        lost,
    )


def _candidates(folder: Path) -> Iterator[Path]:
    """Files that may hold labels, those called after labels first."""
    places = [folder / place for place in PLACES]
    if folder.is_dir():
        places += [place for place in sorted(folder.iterdir()) if place.is_dir() and split_of_folder(place.name)]
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += [path for path in sorted(place.iterdir()) if _may_hold_labels(path)]
    yield from sorted(files[:MAX_FILES], key=lambda path: "label" not in path.name.lower())


def _may_hold_labels(path: Path) -> bool:
    stem = path.name.split(".")[0]
    if path.name.startswith(".") or NO_LABELS.match(stem) or not path.is_file():
        return False
    return plain_ending(path) in TABLE_ENDINGS or (path.suffix.lower() == ".txt" and LISTS.fullmatch(stem) is not None)


def _rows(file: Path) -> Iterator[tuple[str, str, str]] | None:
    """(name as written, label, split) of each row; None for a file without labels."""
    try:
        if file.suffix.lower() == ".txt":
            return _list_rows(file)
        table = stream_table_file(file, _headerless, PhotosError)
    except PhotosError:
        return None
    has_captions = table.column(CAPTION_COLUMNS) is not None
    if has_captions and "label" not in file.name.lower():
        return None
    return _table_rows(table, file, guess=not has_captions)


def _headerless(cells: list[str]) -> list[str] | None:
    """The first line is data where it begins with a photo's name and has one cell more."""
    return ["file", "label"] if len(cells) == 2 and is_photo_name(cells[0]) else None


def _list_rows(file: Path) -> Iterator[tuple[str, str, str]] | None:
    def rows() -> Iterator[tuple[str, str, str]]:
        for number, line in enumerate(text_lines(file, PhotosError), start=1):
            if not line.strip():
                continue
            found = LISTED.fullmatch(line.rstrip("\r\n"))
            if found is None or not is_photo_name(found["file"]):
                raise PhotosError(
                    f"{file}: line {number:,} is no photo's name and its class, as those before. Mend that line."
                )
            yield found["file"].strip(), found["label"], ""

    first = next((line for line in text_lines(file, PhotosError) if line.strip()), "").rstrip("\r\n")
    found = LISTED.fullmatch(first)
    return rows() if found and is_photo_name(found["file"]) else None


def _table_rows(table: StreamedTable, file: Path, guess: bool) -> Iterator[tuple[str, str, str]] | None:
    file_column = table.column(FILE_COLUMNS)
    if file_column is None:
        return None
    first = list(itertools.islice(table.rows, ROWS_LOOKED_AT))
    label_column = table.column(LABEL_COLUMNS)
    others = [one for one in table.columns if one != file_column]
    if label_column is None and guess and len(others) == 1:
        values = [text_of(row.get(others[0])) for row in first]
        known = set(filter(None, values))
        # fewer values than rows: a class comes again, a caption or a measurement seldom does
        if len(known) >= 2 and len(known) <= max(2, MAX_DISTINCT_SHARE * len(values)):
            label_column = others[0]
    if label_column is None:
        return _one_hot(itertools.chain(first, table.rows), first, file_column, others) if guess else None
    split_column = table.column(("split", "set", "subset", "fold_name"))
    return _labelled(itertools.chain(first, table.rows), file, file_column, label_column, split_column)


def _labelled(
    rows: Iterator[dict[str, Any]], file: Path, file_column: str, label_column: str, split_column: str | None
) -> Iterator[tuple[str, str, str]]:
    for row in rows:
        name, value = text_of(row.get(file_column)), row.get(label_column)
        if isinstance(value, list | dict):
            raise PhotosError(
                f"{file}: {label_column} of {name} holds several values, and a photo has one class here. Write one label a row."
            )
        label = text_of(value)
        if name is not None and label is not None:
            split = text_of(row.get(split_column)) if split_column else None
            yield name, label, SPLIT_NAMES.get((split or "").lower(), "")


def _one_hot(
    rows: Iterator[dict[str, Any]], first: Sequence[dict[str, Any]], file_column: str, others: Sequence[str]
) -> Iterator[tuple[str, str, str]] | None:
    """A column a class, with a 1 where it is that (ISIC's lists)."""
    if len(others) < 2 or not all(_hot(row, others) for row in first):
        return None
    return (
        (name, label, "") for row in rows if (name := text_of(row.get(file_column))) and (label := _hot(row, others))
    )


def _hot(row: dict[str, Any], columns: Sequence[str]) -> str:
    values = [text_of(row.get(column)) or "" for column in columns]
    numbers = [
        "1" if value in ("1", "1.0", "True") else "0" if value in ("0", "0.0", "False") else "" for value in values
    ]
    return columns[numbers.index("1")] if "" not in numbers and numbers.count("1") == 1 else ""


def _photo(finder: PhotoFinder, folder: Path, below: str, written: str) -> str | None:
    inside = path_inside(folder, written)
    here = [posixpath.normpath(posixpath.join(below, place, written)) for place in ("", "images")]
    split = split_in(written.partition("/")[0])
    return finder.find(*here, inside, *([written] if split is None else []))


def _split_of(name: str, file: Path) -> str:
    """By the folder of the photo, else by the name of the file."""
    of_folder = next(filter(None, map(split_of_folder, name.split("/")[:-1])), None)
    return of_folder or split_in(file.name.split(".")[0]) or ""
