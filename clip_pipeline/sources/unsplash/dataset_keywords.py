"""The keywords of the Unsplash Dataset that count: those that a person gave, or that a machine is sure of."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.tables.text_files import UNPACKING_ERRORS, open_bytes
from clip_pipeline.sources.tables.values import plain_text
from clip_pipeline.sources.unsplash.dataset_files import Part, damaged, find_parts, records

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

KEYWORD_COLUMNS = ("photo_id", "keyword")
CONFIDENCES = ("ai_service_1_confidence", "ai_service_2_confidence")
BY_USER = "suggested_by_user"
TRUE = ("t", "true", "1", "yes")
SUREST = 100.0
ROWS_AT_A_TIME = 8192
BLOCK_BYTES = 4_000_000


def dataset_keywords(
    folder: Path, min_confidence: float, counts: Counter[str], block_bytes: int = BLOCK_BYTES
) -> Iterator[pa.Table]:
    """(id, keyword, confidence in percent) of the keywords that count, in pieces.

    A keyword counts when a person suggested it, with a confidence of 100, or when one of the two services whose confidence
    is given is at least `min_confidence` percent sure. block_bytes: of a file that are read at a time. Raises PhotosError as
    `dataset_photos` does.
    """
    import pyarrow as pa

    for part in find_parts(folder, "keywords", KEYWORD_COLUMNS):
        counted: Counter[str] = Counter()
        try:
            yield from _keywords_in_blocks(part, min_confidence, counted, block_bytes)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
            # again from its beginning: what was given twice is one keyword in the end
            logger.warning("%s is read line by line: %s", part.path.name, str(problem)[:150])
            counted.clear()
            yield from _keywords_by_line(part, min_confidence, counted)
        except UNPACKING_ERRORS as problem:
            raise damaged(part.path, problem) from None
        counts.update(counted)


def _keywords_by_line(part: Part, min_confidence: float, counts: Counter[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for cells in records(part, counts):
        said = dict(zip(part.columns, cells, strict=True))
        counts["keywords read"] += 1
        sure = max((_percent(said.get(name, "")) for name in CONFIDENCES), default=0.0)
        if said.get(BY_USER, "").strip().lower() in TRUE:
            sure = SUREST
        photo_id, keyword = plain_text(said["photo_id"].strip()), plain_text(said["keyword"].strip())
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


def _keywords_in_blocks(
    part: Part, min_confidence: float, counts: Counter[str], block_bytes: int
) -> Iterator[pa.Table]:
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
                use_threads=False, block_size=block_bytes, column_names=part.columns, skip_rows=int(part.headed)
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
