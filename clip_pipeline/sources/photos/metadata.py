"""What tables and the JSON beside photos say of a photo besides its captions: licence, size, split, ratings, by any of their names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clip_pipeline.records import RATING_FIELDS
from clip_pipeline.sources.photos.splits import SPLIT_NAMES
from clip_pipeline.sources.tables.open_table import StreamedTable
from clip_pipeline.sources.tables.values import keywords_of, plain_text

FACT_COLUMNS: dict[str, Sequence[str]] = {
    "words": ("words", "keywords", "keyword", "tags", "labels"),
    "width": ("width", "original_width", "photo_width"),
    "height": ("height", "original_height", "photo_height"),
    "licence": ("licence", "license"),
    "attribution": ("attribution", "author", "photographer", "credit", "photographer_username"),
    "terms": ("terms",),
    "split": ("split",),
    "origin": ("origin",),
    "similarity": (
        *("similarity", "clip_similarity", "clip_similarity_vitb32", "clip_b32_similarity_score"),
        *("clip_l14_similarity_score", "clip_similarity_vitl14"),
    ),
    "nsfw": ("nsfw",),
    "unsafe": ("punsafe", "unsafe", "nsfw_score_opennsfw2", "nsfw_score"),
    "watermark": ("pwatermark", "watermark", "watermark_score"),
}
"""Names, in lower case, of each field of PHOTO_FIELDS. The ratings are LAION-400M's and 5B's, COYO-700M's and DataComp's."""

NUMBERS = frozenset(field.name for field in RATING_FIELDS) - {"nsfw"}


def fact_columns(table: StreamedTable) -> dict[str, str]:
    """The columns of a table that hold facts, by field."""
    return {field: column for field, names in FACT_COLUMNS.items() if (column := table.column(names)) is not None}


def facts_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in an object whose keys are in lower case, such as the JSON of a sample; those that it does not hold are
    left out."""
    found = {field: next((said[name] for name in names if name in said), None) for field, names in FACT_COLUMNS.items()}
    return {field: fact for field, value in found.items() if (fact := read_fact(field, value)) not in (None, [])}


def read_fact(field: str, value: Any) -> Any:
    """A cell as the field of PHOTO_FIELDS wants it; None (of words: none) where it says nothing."""
    if field == "words":
        return keywords_of(value)
    if field in ("width", "height"):
        return _pixels(value)
    if field in NUMBERS:
        return _number(value)
    text = text_of(value)
    if field == "split":
        return SPLIT_NAMES.get((text or "").lower())
    return text.upper() if text and field == "nsfw" else text


def text_of(value: Any) -> str | None:
    """The value as stripped text; None for nothing, which a table may write as an empty cell, a null or not a number. Bytes
    that are no UTF-8 become their hexadecimal digits."""
    if isinstance(value, bytes | bytearray | memoryview):  # a key as other programs write it: a text, or a hash
        content = bytes(value)
        try:
            value = content.decode("utf-8")
        except UnicodeDecodeError:
            value = content.hex()
    if value is None or (isinstance(value, float) and math.isnan(value)) or isinstance(value, dict | list):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return plain_text(str(value).strip()) or None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _pixels(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 < number < 2**31 else None
