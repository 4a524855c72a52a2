"""What tables with photos say of them: labels, captions and splits, as Hugging Face's datasets have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.sources.photos.caption_files import CAPTION_COLUMNS
from clip_pipeline.sources.photos.class_names import find_names_file, read_class_names
from clip_pipeline.sources.photos.class_spellings import join_spellings
from clip_pipeline.sources.photos.photos import Metadata
from clip_pipeline.sources.photos.several_labels import check_one_label_each
from clip_pipeline.sources.photos.splits import split_in
from clip_pipeline.sources.tables.parquet_rows import column_values, open_parquet
from clip_pipeline.sources.tables.values import texts_of

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_COLUMNS = ("label", "labels", "class", "class_id", "fine_label", "target", "category")


def metadata_of_tables(tables: Mapping[str, Path], image_columns: Sequence[str]) -> Metadata:
    """What every table says, in the order of the files and their rows.

    Labels: a column `label` (or `class`, `fine_label`, ...) of whole numbers, whose names are those that `datasets` writes beside
    the schema, or in classnames.txt in the folder; or of texts, which are the names. Captions: a column `caption`, `text`, ... of
    texts or lists of them. Splits: those that the names of the files say (train-00000-of-00002, test/0), where all do.

    Raises PhotosError for a row without a label where others have one or with several, and for tables that name their classes otherwise.
    """
    schemas, rows = {}, []
    for name, path in tables.items():
        with open_parquet(path, PhotosError) as file:
            schemas[name] = file.schema_arrow
            rows.append(file.metadata.num_rows)
    labels = _column_of_all(schemas, image_columns, LABEL_COLUMNS, _is_label)
    captions = _column_of_all(schemas, image_columns, CAPTION_COLUMNS, _is_text)
    said = {name: split_in(name) for name in tables}
    splits = (
        [split or "" for split, count in zip(said.values(), rows, strict=True) for _ in range(count)]
        if all(said.values())
        else None
    )
    numbers, class_names = _labels(tables, schemas, labels, splits) if labels else (None, None)
    return Metadata(
        labels=numbers,
        class_names=class_names,
        names_from=str(find_names_file(next(iter(tables.values()))) or ""),
        captions=[texts_of(one) for one in _values(tables, captions)] if captions else None,
        splits=splits,
    )


def _column_of_all(
    schemas: Mapping[str, pa.Schema], images: Sequence[str], wanted: Sequence[str], fits: Any
) -> list[str] | None:
    """The first of the wanted columns that every table has, by the name that each gives it."""
    for name in wanted:
        found = [
            next(
                (one.name for one in schema if one.name.lower() == name and one.name != image and fits(one.type)), None
            )
            for schema, image in zip(schemas.values(), images, strict=True)
        ]
        if all(found):
            return [one for one in found if one]
    return None


def _is_label(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return pa.types.is_string(inner) or pa.types.is_large_string(inner)


def _values(tables: Mapping[str, Path], columns: Sequence[str]) -> list[Any]:
    return [
        value
        for path, column in zip(tables.values(), columns, strict=True)
        for value in column_values(path, PhotosError, column)
    ]


def _labels(
    tables: Mapping[str, Path], schemas: Mapping[str, pa.Schema], columns: Sequence[str], splits: list[str] | None
) -> tuple[list[int], list[str] | None]:
    values, first = _values(tables, columns), next(iter(tables.values()))
    if None in values:
        raise PhotosError(
            f"{first.parent}: row {values.index(None):,} has no {columns[0]}, and others have. Give every photo a label."
        )
    if any(isinstance(value, str) for value in values):
        check_one_label_each(((f"row {row:,}", str(value)) for row, value in enumerate(values)), first)
        spelt = [name or "" for name in join_spellings([str(value) for value in values], splits, str(first.parent))]
        texts = sorted(set(spelt))
        number = {text: place for place, text in enumerate(texts)}
        return [number[name] for name in spelt], texts
    named = [_class_names(schema, column) for schema, column in zip(schemas.values(), columns, strict=True)]
    if any(names != named[0] for names in named):
        raise PhotosError(f"The tables in {first.parent} name their classes differently. Give those of one dataset.")
    names = named[0]
    if names is None:
        return values, read_class_names(first, values)
    if min(values) < 0 or max(values) >= len(names):
        raise PhotosError(
            f"{first} names {len(names)} classes and the labels run from {min(values)} to {max(values)}. Make it again."
        )
    return values, names


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names that `datasets` keeps of a column of class labels, in the metadata of the schema; None without."""
    try:
        features = parse_json((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None
