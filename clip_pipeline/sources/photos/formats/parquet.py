"""Photos inside Parquet files: their bytes in a column, as Hugging Face's datasets and many exports have them."""

from __future__ import annotations

import functools
import logging
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import PhotosError, nearest_name
from clip_pipeline.sources.photos.formats.parquet_metadata import metadata_of_tables
from clip_pipeline.sources.photos.names import NumberedNames
from clip_pipeline.sources.photos.photos import Metadata, Photo, StoredPhotos
from clip_pipeline.sources.tables.parquet_rows import column_values, open_parquet, parquet_batches

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

IMAGE_NAMES = (
    *("image", "jpg", "jpeg", "png", "webp", "img", "photo", "picture"),
    *("image_bytes", "bytes", "content", "data"),
)
ID_NAMES = (
    *("id", "photo_id", "image_id", "key", "__key__", "image_path", "path", "filename"),
    *("file_name", "file", "name"),
)
PHOTOS_AT_A_TIME = 16
ROW_GROUPS_KEPT = 2
MAX_PHOTO_RATIO = 8
"""Bytes of photos to bytes of their table, after the first 64 MB: photos pack hardly, and some stand in it more than once."""


class ParquetPhotos(StoredPhotos):
    """The photos of tables of one form, in the order of the files and their rows, named by a column or by row numbers.

    tables: files by what their rows are called after; a single one may have no name. image_column: bytes, or a struct with
    `bytes` in it; empty finds one by its name, or the only one of bytes. id_column: texts or whole numbers; empty finds one by
    its name, and else the names are row numbers, after the name of the table. Metadata: `metadata_of_tables`.
    Raises PhotosError for a file that is no Parquet, and for columns that are not there or hold something else.
    """

    def __init__(self, tables: Mapping[str, Path], image_column: str = "", id_column: str = ""):
        self._tables, paths = tables, list(tables.values())
        counts, schemas = [], []
        for path in paths:
            with open_parquet(path, PhotosError) as file:
                counts.append(file.metadata.num_rows)
                schemas.append(file.schema_arrow)
        self._ends = list(accumulate(counts))
        if not self._ends[-1]:
            raise PhotosError(f"{paths[0]} holds no rows. Give a table with a photo a row.")
        columns = [
            _choose_columns(path, schema, image_column, id_column) for path, schema in zip(paths, schemas, strict=True)
        ]
        if any(key for _, key in columns) and _repeats(paths, [key for _, key in columns]):
            if id_column:
                raise PhotosError(
                    f"The column {id_column} of {paths[0]} holds an id more than once. Name another column."
                )
            logger.info("The column %s holds an id more than once: the ids are row numbers", columns[0][1])
            columns = [(image, None) for image, _ in columns]
        self._columns = columns
        self._contents = functools.lru_cache(ROW_GROUPS_KEPT)(self._read_group)

    def __len__(self) -> int:
        return self._ends[-1]

    def files(self) -> Iterator[Path]:
        """See `StoredPhotos`."""
        return iter(self._tables.values())

    @functools.cached_property
    def names(self) -> list[str]:  # type: ignore[override]
        """See `Photos`."""
        return [name for before, path, _, key in self._parts() for name in _names(path, key, before)]

    def __iter__(self) -> Iterator[Photo]:
        for before, path, image, key in self._parts():
            yield from _rows(path, image, key, before)

    @functools.cached_property
    def metadata(self) -> Metadata:
        """See `Photos`."""
        return metadata_of_tables(self._tables, [image for image, _ in self._columns])

    def _parts(self) -> Iterator[tuple[str, Path, str, str | None]]:
        """(what stands before a row's number, file, column of photos, column of ids) of each table."""
        for (name, path), (image, key) in zip(self._tables.items(), self._columns, strict=True):
            yield f"{name}/" if name else "", path, image, key

    def read(self, row: int) -> bytes:
        """See `Photos`. Reads the whole group of rows that the photo lies in, and keeps the last two: to go through all photos,
        iterate."""
        number = bisect_right(self._ends, row)
        path = list(self._tables.values())[number]
        inside = row - (self._ends[number - 1] if number else 0)
        try:
            with open_parquet(path, PhotosError) as file:
                groups = range(file.metadata.num_row_groups)
                ends = list(accumulate(file.metadata.row_group(group).num_rows for group in groups))
            group = bisect_right(ends, inside)
            contents = self._contents(number, group)
            row_of_group = inside - (ends[group - 1] if group else 0)
            if row_of_group >= len(contents):
                raise OSError(f"{path} has fewer rows than it says")
        except PhotosError as error:
            raise OSError(str(error)) from None
        return _Content(contents[row_of_group])()

    def _read_group(self, number: int, group: int) -> list[bytes | None]:
        image, _ = self._columns[number]
        batches = parquet_batches(
            list(self._tables.values())[number], PhotosError, [image], PHOTOS_AT_A_TIME, group, MAX_PHOTO_RATIO
        )
        return [content for batch in batches for content in _bytes_of(batch.column(0))]


def _names(path: Path, key: str | None, before: str) -> Sequence[str]:
    if key is None:
        with open_parquet(path, PhotosError) as file:
            return NumberedNames(file.metadata.num_rows, before)
    return [str(one) for one in column_values(path, PhotosError, key)]


def _repeats(paths: Sequence[Path], keys: Sequence[str | None]) -> bool:
    """Whether an id comes twice, or one file has none of them; with 8 bytes an id."""
    import numpy as np

    parts = []
    for path, key in zip(paths, keys, strict=True):
        if key is None:
            return True
        parts.append(np.fromiter(map(hash, column_values(path, PhotosError, key)), np.int64))
    hashes = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    return bool((hashes[1:] == hashes[:-1]).any())


def _rows(path: Path, image: str, key: str | None, before: str) -> Iterator[Photo]:
    row = 0
    columns = [image, key] if key else [image]
    for batch in parquet_batches(path, PhotosError, columns, PHOTOS_AT_A_TIME, max_ratio=MAX_PHOTO_RATIO):
        contents = _bytes_of(batch.column(batch.schema.get_field_index(image)))
        ids = batch.column(batch.schema.get_field_index(key)).to_pylist() if key else [None] * len(contents)
        for content, one in zip(contents, ids, strict=True):
            if key and one is None:
                raise PhotosError(f"{path}: row {row:,} has no {key}. Give every photo one, or name another column.")
            yield Photo(str(one) if key else f"{before}{row}", f"{path}#{row}", _Content(content))
            row += 1


class _Content:
    """Bytes that were read; None is a photo that the table lacks."""

    def __init__(self, content: bytes | None):
        self._content = content

    def __call__(self) -> bytes:
        if self._content is None:
            raise OSError("the table holds no bytes here")
        return self._content


def _bytes_of(column: pa.Array) -> list[bytes | None]:
    import pyarrow as pa

    if pa.types.is_struct(column.type):
        column = column.field("bytes")
    return column.to_pylist()


def _choose_columns(path: Path, schema: pa.Schema, image_column: str, id_column: str) -> tuple[str, str | None]:
    names = schema.names
    for wanted in filter(None, (image_column, id_column)):
        if wanted not in names:
            raise PhotosError(f'{path} has no column "{wanted}". {nearest_name(wanted, names)}')
    of_bytes = [name for name in names if _holds_bytes(schema.field(name).type)]
    found = image_column or _named(IMAGE_NAMES, of_bytes) or (of_bytes[0] if len(of_bytes) == 1 else "")
    if not found:
        which = f"{', '.join(of_bytes)}: say which with --image-column" if of_bytes else "none of bytes"
        raise PhotosError(f"{path}: a column with the photos' files was expected, and there are {which}.")
    if found not in of_bytes:
        raise PhotosError(
            f"{path}: the column {found} holds {schema.field(found).type}, the bytes of photos' files were expected. "
            "Name another column, or give the folder where the files lie."
        )
    key = id_column or _named(ID_NAMES, [name for name in names if name != found and _is_id(schema.field(name).type)])
    if key and not _is_id(schema.field(key).type):
        raise PhotosError(
            f"{path}: the column {key} holds {schema.field(key).type}, texts or whole numbers were expected."
        )
    return found, key or None


def _named(wanted: Sequence[str], names: Sequence[str]) -> str:
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[one] for one in wanted if one in by_name), "")


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _holds_bytes(kind.field(place).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_id(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
