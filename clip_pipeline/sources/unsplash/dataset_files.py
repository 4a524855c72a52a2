"""The Unsplash Dataset, Lite or Full, as its files come: parts of photos and of keywords, tab- or comma-separated.

https://github.com/unsplash/datasets. Names and endings vary from release to release (photos.tsv000, photos.csv000), some
parts have no header, and a few rows are broken: those are counted, not believed. Everything is read once, in pieces.
"""

from __future__ import annotations

import csv
import itertools
import logging
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from clip_pipeline.errors import PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.tables.text_files import UNPACKING_ERRORS, open_bytes
from clip_pipeline.sources.tables.values import plain_text

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

SOURCE = "unsplash_dataset"
LICENCE = "Unsplash Dataset Terms"
TERMS = (
    "https://github.com/unsplash/datasets/blob/master/TERMS.md: photos and data may be stored and models trained on them, on "
    "those of the Full dataset for non-commercial purposes only; neither may be passed on."
)
PHOTO_URL = re.compile(r"https?://images\.unsplash\.com/\S+", re.IGNORECASE)
"""The only host of the photos. The files hold a few of others (images.unsplash.company, images.unsplash.com.jpg)."""

PART_NAME = re.compile(r"(photos|keywords)\.(?:tsv|csv)(\d*)(?:\.(?:gz|bz2|xz|zst))?", re.IGNORECASE)
PHOTO_COLUMNS = ("photo_id", "photo_image_url")
KEYWORD_COLUMNS = ("photo_id", "keyword")
CONFIDENCES = ("ai_service_1_confidence", "ai_service_2_confidence")
BY_USER = "suggested_by_user"
TRUE = ("t", "true", "1", "yes")
SUREST = 100.0
LINES_OF_A_QUOTE = 50
ROWS_AT_A_TIME = 8192
BLOCK_BYTES = 4_000_000


@dataclass(frozen=True)
class Part:
    """One file: its path, its columns, the character between them, and whether its first line is a header."""

    path: Path
    columns: list[str]
    delimiter: str
    headed: bool


def dataset_photos(folder: Path, counts: Counter[str]) -> Iterator[pa.Table]:
    """PHOTO_FIELDS of the photos, in pieces. Captions are the photographer's description and the machine's.

    Rows that are broken, without id or url, or with a url of another host are left out and counted in `counts`. Raises
    PhotosError for a folder without parts of photos, or with columns of other names.
    """
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for part in _parts(folder, "photos", PHOTO_COLUMNS):
        for cells in _records(part, counts):
            row = _photo_row(dict(zip(part.columns, cells, strict=True)), counts)
            if row:
                rows.append(row)
            if len(rows) >= ROWS_AT_A_TIME:
                yield pa.Table.from_pylist(rows, schema=pa.schema(PHOTO_FIELDS))
                rows = []
    yield pa.Table.from_pylist(rows, schema=pa.schema(PHOTO_FIELDS))


def dataset_keywords(folder: Path, min_confidence: float, counts: Counter[str]) -> Iterator[pa.Table]:
    """(id, keyword, confidence in percent) of the keywords that count, in pieces.

    A keyword counts when a person suggested it, with a confidence of 100, or when one of the two services whose confidence
    is told is at least `min_confidence` percent sure. Raises PhotosError as `dataset_photos` does.
    """
    import pyarrow as pa

    for part in _parts(folder, "keywords", KEYWORD_COLUMNS):
        counted: Counter[str] = Counter()
        try:
            yield from _keywords_in_blocks(part, min_confidence, counted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
            # again from its beginning: what was given twice is one keyword in the end
            logger.warning("%s is read line by line: %s", part.path.name, str(problem)[:150])
            counted.clear()
            yield from _keywords_by_line(part, min_confidence, counted)
        except UNPACKING_ERRORS as problem:
            raise _damaged(part.path, problem) from None
        counts.update(counted)


# ---- files


def _parts(folder: Path, kind: str, needed: tuple[str, ...]) -> list[Part]:
    if not folder.is_dir():
        raise PhotosError(
            f"{folder} is no folder. Give the folder that the Unsplash Dataset was unpacked into (links.path)."
        )
    found = [path for path in sorted(folder.iterdir()) if path.is_file()]
    found += [path for inner in sorted(folder.iterdir()) if inner.is_dir() for path in sorted(inner.iterdir())]
    names = {path: match for path in found if (match := PART_NAME.fullmatch(path.name))}
    paths = [path for path, match in names.items() if match[1].lower() == kind]
    if not paths:
        there = ", ".join(path.name for path in found[:8]) or "nothing"
        raise PhotosError(
            f"{folder} holds no {kind} of the Unsplash Dataset: {kind}.tsv000 or the like was expected, found {there}. "
            "Unpack the whole dataset there; photos and keywords are both needed."
        )
    paths.sort(key=lambda path: (int(names[path][2] or 0), path.name))
    parts: list[Part] = []
    for path in paths:
        parts.append(_open_part(path, parts[0] if parts else None, needed))
    return parts


def _open_part(path: Path, first: Part | None, needed: tuple[str, ...]) -> Part:
    with open_bytes(path, PhotosError) as stream:
        line = next(_lines(path, stream, Counter()), "").removeprefix("\ufeff")
    delimiter = "\t" if "\t" in line else ","
    cells = [cell.strip().lower() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    if set(needed) <= set(cells):
        return Part(path, cells, delimiter, True)
    if first is not None:
        return Part(path, first.columns, first.delimiter, False)
    raise PhotosError(
        f"{path} begins with the columns {', '.join(cells)[:300] or 'of an empty line'}; {' and '.join(needed)} were "
        "expected. Get the dataset's files again, or set links.source to what these are."
    )


def _lines(path: Path, stream: BinaryIO, counts: Counter[str]) -> Iterator[str]:
    try:
        for line in stream:
            try:
                yield line.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                counts["lines with broken UTF-8"] += 1
                yield line.decode("utf-8", "replace").rstrip("\r\n")
    except UNPACKING_ERRORS as problem:
        raise _damaged(path, problem) from None


def _damaged(path: Path, problem: Exception) -> PhotosError:
    return PhotosError(f"{path} cannot be unpacked ({str(problem)[:100]}). Get the file again.")


def _records(part: Part, counts: Counter[str]) -> Iterator[list[str]]:
    """The cells of every row that has as many as there are columns."""
    width = len(part.columns)
    with open_bytes(part.path, PhotosError) as stream:
        lines = _lines(part.path, stream, counts)
        for cells in _split_rows(itertools.islice(lines, int(part.headed), None), part.delimiter, width):
            if len(cells) == width:
                yield cells
            elif any(cells):
                counts["rows with too few or too many columns"] += 1


def _split_rows(lines: Iterable[str], delimiter: str, width: int) -> Iterator[list[str]]:
    """Rows of lines. A quoted cell may hold the delimiter and line breaks; a quotation mark that is never closed is a letter."""
    ahead: deque[str] = deque()
    lines = iter(lines)
    while True:
        line = ahead.popleft() if ahead else next(lines, None)
        if line is None:
            return
        if '"' not in line:
            yield line.split(delimiter)
            continue
        cells, used = _quoted_row(line, ahead, lines, delimiter, width)
        for _ in range(used):
            ahead.popleft()
        yield cells


def _quoted_row(
    line: str, ahead: deque[str], lines: Iterator[str], delimiter: str, width: int
) -> tuple[list[str], int]:
    """(cells, lines of `ahead` that belong to the row); `ahead` is filled from `lines` where it is needed."""
    text, used = line, 0
    while True:
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True))
            if len(cells) == width:
                return cells, used
        except csv.Error as problem:
            if "end of data" in str(problem) and used < LINES_OF_A_QUOTE:
                if used == len(ahead):
                    ahead.extend(itertools.islice(lines, 1))
                if used < len(ahead):
                    text, used = f"{text}\n{ahead[used]}", used + 1
                    continue
        return line.split(delimiter), 0


# ---- photos


def _photo_row(told: dict[str, str], counts: Counter[str]) -> dict[str, Any] | None:
    photo_id, url = told["photo_id"].strip(), told["photo_image_url"].strip()
    if not photo_id or not url:
        counts["photos without id or url"] += 1
        return None
    if not PHOTO_URL.fullmatch(url):
        counts["photos of another host"] += 1
        return None
    texts = (plain_text(told.get(name, "")).strip() for name in ("photo_description", "ai_description"))
    names = [told.get(f"photographer_{part}_name", "").strip() for part in ("first", "last")]
    username = told.get("photographer_username", "").strip()
    name = plain_text(" ".join(filter(None, names)) or username)
    return {
        "id": plain_text(photo_id),
        "url": plain_text(url),
        "captions": list(dict.fromkeys(text for text in texts if text)),
        "words": [],
        "width": _number(told.get("photo_width", "")),
        "height": _number(told.get("photo_height", "")),
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


# ---- keywords


def _keywords_by_line(part: Part, min_confidence: float, counts: Counter[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for cells in _records(part, counts):
        told = dict(zip(part.columns, cells, strict=True))
        counts["keywords read"] += 1
        sure = max((_percent(told.get(name, "")) for name in CONFIDENCES), default=0.0)
        if told.get(BY_USER, "").strip().lower() in TRUE:
            sure = SUREST
        photo_id, keyword = plain_text(told["photo_id"].strip()), plain_text(told["keyword"].strip())
        if not photo_id or not keyword:
            counts["keywords without photo or text"] += 1
        elif sure < min_confidence:
            counts["keywords below the confidence"] += 1
        else:
            rows.append({"id": photo_id, "keyword": keyword, "confidence": sure})
        if len(rows) >= ROWS_AT_A_TIME:
            yield pa.Table.from_pylist(rows, schema=_keyword_schema())
            rows = []
    yield pa.Table.from_pylist(rows, schema=_keyword_schema())


def _keyword_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("id", pa.string()), ("keyword", pa.string()), ("confidence", pa.float32())])


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= SUREST else 0.0


def _keywords_in_blocks(part: Part, min_confidence: float, counts: Counter[str]) -> Iterator[pa.Table]:
    """The same by Arrow, some fifteen times as fast. Raises ArrowInvalid for a part that is not clean: bad numbers or UTF-8,
    or a quotation mark that swallows lines."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    short: Counter[str] = Counter()

    def skip(row: Any) -> str:
        if "\n" in (row.text or "\n"):
            return "error"  # a quotation mark swallowed lines
        short["rows with too few or too many columns"] += 1
        return "skip"

    numbers = [name for name in CONFIDENCES if name in part.columns]
    wanted = [*KEYWORD_COLUMNS, *numbers, *([BY_USER] if BY_USER in part.columns else [])]
    types = {name: pa.float32() if name in numbers else pa.string() for name in wanted}
    with (
        open_bytes(part.path, PhotosError) as stream,
        pyarrow.csv.open_csv(
            stream,
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=part.columns, skip_rows=int(part.headed)
            ),
            pyarrow.csv.ParseOptions(delimiter=part.delimiter, invalid_row_handler=skip),
            pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=wanted, null_values=["", "NULL", "\\N"], strings_can_be_null=False
            ),
        ) as batches,
    ):
        for batch in batches:
            table = pa.Table.from_batches([batch])
            ids, keywords = pc.utf8_trim_whitespace(table["photo_id"]), pc.utf8_trim_whitespace(table["keyword"])
            if pc.any(pc.match_substring_regex(keywords, "[\\n\\x00]")).as_py():
                raise pa.ArrowInvalid("a quotation mark swallowed lines")
            sure = pa.array([0.0] * len(table), pa.float32())
            for name in numbers:
                column = pc.fill_null(table[name], 0.0)
                valid = pc.and_(pc.greater_equal(column, 0.0), pc.less_equal(column, SUREST))
                sure = pc.max_element_wise(sure, pc.if_else(valid, column, pa.scalar(0.0, pa.float32())))
            if BY_USER in wanted:
                by_user = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(table[BY_USER])), value_set=pa.array(TRUE))
                sure = pc.if_else(by_user, pa.scalar(SUREST, pa.float32()), sure)
            whole = pc.and_(pc.not_equal(ids, ""), pc.not_equal(keywords, ""))
            enough = pc.greater_equal(sure, pa.scalar(min_confidence, pa.float32()))
            counts["keywords read"] += len(table)
            counts["keywords without photo or text"] += len(table) - pc.sum(whole).as_py()
            kept = pc.and_(whole, enough)
            counts["keywords below the confidence"] += pc.sum(whole).as_py() - pc.sum(kept).as_py()
            result = pa.table({"id": ids, "keyword": keywords, "confidence": sure}).cast(_keyword_schema())
            yield result.filter(kept)
    counts.update(short)
