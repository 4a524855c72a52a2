"""Embeddings on disk: `NAME.npy`, memory-mappable, and `NAME.parquet` with the id of every row.

The table also holds each id's row number, and in its schema the sha256 of the array and of the ids in their order, so that
a table which was sorted, ids which were permuted, or an array which was computed again, are noticed when they are read. The
schema says too how the vectors were made (`about`).
"""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.errors import MissingArtifactError, ModelError, ShapeError

VECTORS_HASH, IDS_HASH = b"vectors_sha256", b"ids_sha256"
UNIT_LENGTH, MODEL_HASH = b"unit_length", b"model_sha256"
ROWS_AT_A_TIME = 65_536
MAX_NORM_ERROR = 2e-3
"""float16 rounds each number by at most 2^-11 of itself, so a stored unit vector is within 5e-4 of length 1."""


@dataclass(frozen=True)
class VectorFormat:
    """How vectors are stored. dtype: float16 or float32. unit_length: else as the model gives them."""

    dtype: str = "float16"
    unit_length: bool = True

    def stored(self, rows_ND: np.ndarray) -> np.ndarray:
        """The rows as they are written. Raises ModelError for a number that is too large for float16."""
        if self.unit_length and len(rows_ND):
            rows_ND = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
        with np.errstate(over="ignore"):
            stored_ND = np.ascontiguousarray(rows_ND, dtype=self.dtype)
        if not np.isfinite(stored_ND).all() and np.isfinite(rows_ND).all():
            raise ModelError(
                f"The model gives numbers of {np.abs(rows_ND).max():,.0f}, more than {self.dtype} holds. Store float32, or "
                "vectors of unit length."
            )
        return stored_ND


class VectorFile:
    """A `.npy` that grows by rows, the same bytes as np.save of all of them. Use as a context manager."""

    def __init__(self, path: Path, dtype: str, dimensions: int):
        self._file = path.open("wb")
        self._dtype, self._dimensions = np.dtype(dtype), dimensions
        self._digest = hashlib.sha256()
        self.rows = 0
        self._write_header()

    def append(self, stored_ND: np.ndarray) -> None:
        """Adds rows, (N, dimensions) of the file's dtype. Raises ShapeError for others."""
        if stored_ND.dtype != self._dtype or stored_ND.ndim != 2 or stored_ND.shape[1] != self._dimensions:
            raise ShapeError(
                f"Vectors {stored_ND.shape} of {stored_ND.dtype} do not go into a file of {self._dimensions} dimensions "
                f"of {self._dtype}. Embed all with one model and one format."
            )
        content = np.ascontiguousarray(stored_ND).tobytes()
        self._file.write(content)
        self._digest.update(content)
        self.rows += len(stored_ND)

    @property
    def sha256(self) -> bytes:
        """Of the rows so far."""
        return self._digest.hexdigest().encode()

    def _write_header(self) -> None:
        # numpy leaves room for the number of rows, so the header has one length for all of them
        shape = (self.rows, self._dimensions)
        described = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, described)

    def __enter__(self) -> VectorFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()


def write_embeddings(
    folder: Path,
    name: str,
    ids: Sequence[str],
    matrix_ND: np.ndarray,
    columns: Mapping[str, Sequence] | None = None,
    format: VectorFormat | None = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Writes `name.npy` and `name.parquet` (id, row, then `columns`, one row a vector).

    matrix_ND: vectors, of unit length where the format says so. about: how they were made, kept in the table's schema. The
    same vectors and ids give the same bytes; a difference in the last bits of float32, as between machines or thread counts,
    mostly disappears in the rounding to float16, not always.
    Raises ShapeError when lengths differ, an id is repeated, or a vector is not finite or no unit vector.
    """
    format = format or VectorFormat()
    stored_ND = np.ascontiguousarray(matrix_ND, dtype=format.dtype)
    _check(name, list(ids), stored_ND, format.unit_length)
    folder.mkdir(parents=True, exist_ok=True)
    with VectorFile(folder / f"{name}.npy", format.dtype, stored_ND.shape[1]) as file:
        file.append(stored_ND)
    digest = IdsDigest()
    digest.update(ids)
    row = pa.array(range(len(ids)), pa.int64())
    table = pa.table({"id": pa.array(ids, pa.string()), "row": row, **(columns or {})})
    described = keys_metadata(file.sha256, digest, format, about or {})
    pq.write_table(table.replace_schema_metadata(described), folder / f"{name}.parquet", compression="zstd")


class IdsDigest:
    """A running sha256 of ids in their order."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, ids: Sequence[str]) -> None:
        for one in ids:
            encoded = one.encode()
            self._digest.update(struct.pack("<I", len(encoded)) + encoded)

    @property
    def sha256(self) -> bytes:
        return self._digest.hexdigest().encode()


def keys_metadata(
    vectors_sha256: bytes, ids: IdsDigest, format: VectorFormat, about: Mapping[str, str]
) -> dict[bytes, bytes]:
    """What the schema of a keys table says."""
    described = {key.encode(): value.encode() for key, value in sorted(about.items())}
    unit = b"true" if format.unit_length else b"false"
    return {VECTORS_HASH: vectors_sha256, IDS_HASH: ids.sha256, UNIT_LENGTH: unit, **described}


def read_embeddings(folder: Path, name: str) -> tuple[pa.Table, np.ndarray]:
    """(keys, matrix): the table with `id` and what was stored beside it, and the (N, D) unit vectors, row by row.

    The matrix is memory-mapped, float16 or float32; where vectors were stored as the model gave them, it is a copy at unit
    length. Raises MissingArtifactError when a file is absent, ShapeError when the two files do not belong together, an id is
    repeated, or a vector is not finite or no unit vector.
    """
    keys, matrix_ND = read_stored_embeddings(folder, name)
    if (keys.schema.metadata or {}).get(UNIT_LENGTH) == b"false":
        matrix_ND = VectorFormat("float32").stored(np.asarray(matrix_ND, np.float32))
    return keys, matrix_ND


def read_stored_embeddings(folder: Path, name: str) -> tuple[pa.Table, np.ndarray]:
    """As `read_embeddings`, with vectors of whatever length they were stored with, always memory-mapped."""
    for path in (folder / f"{name}.npy", folder / f"{name}.parquet"):
        if not path.is_file():
            raise MissingArtifactError(f"{path} does not exist. Embed the {name} again.")
    keys = pq.read_table(folder / f"{name}.parquet")
    matrix_ND = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    metadata = keys.schema.metadata or {}
    ids = keys["id"].to_pylist()
    _check(name, ids, matrix_ND, metadata.get(UNIT_LENGTH) != b"false")
    _check_order(name, keys, matrix_ND)
    if IDS_HASH in metadata:
        digest = IdsDigest()
        digest.update(ids)
        if digest.sha256 != metadata[IDS_HASH]:
            raise ShapeError(
                f"The ids in {name}.parquet are not those that {name}.npy was written with, or in another order. "
                f"Embed the {name} again."
            )
    return keys, matrix_ND


def check_comparable(images: pa.Table, images_ND: np.ndarray, texts: pa.Table, texts_ND: np.ndarray) -> None:
    """Asserts that vectors of photos and of texts (as of `read_embeddings`) are of one model: of equal dimensions, and of
    equal weights where both tables know theirs. Raises ShapeError."""
    hashes = [(table.schema.metadata or {}).get(MODEL_HASH) for table in (images, texts)]
    if None not in hashes and hashes[0] != hashes[1]:
        names = " and ".join(value.decode()[:12] for value in hashes if value)
        raise ShapeError(
            f"The vectors of photos and texts are of two different models, {names}. Embed both with one model."
        )
    if images_ND.shape[1] != texts_ND.shape[1]:
        raise ShapeError(
            f"The vectors of photos have {images_ND.shape[1]:,} dimensions, those of texts {texts_ND.shape[1]:,}. Embed both "
            "with one model."
        )


def about_embeddings(keys: pa.Table) -> dict[str, str]:
    """How vectors were made: the schema's words of a keys table, such as model_sha256, runtime and unit_length."""
    return {key.decode(): value.decode() for key, value in (keys.schema.metadata or {}).items() if key != b"pandas"}


def _check_order(name: str, keys: pa.Table, matrix_ND: np.ndarray) -> None:
    if "row" in keys.column_names and keys["row"].to_pylist() != list(range(len(keys))):
        raise ShapeError(f"{name}.parquet is not in the order of {name}.npy any more. Sort it by row, or embed again.")
    written_with = (keys.schema.metadata or {}).get(VECTORS_HASH)
    if written_with is not None and written_with != _hash_rows(matrix_ND):
        raise ShapeError(f"{name}.npy is not the array that {name}.parquet was written with. Embed the {name} again.")


def _hash_rows(matrix_ND: np.ndarray) -> bytes:
    digest = hashlib.sha256()
    for start in range(0, len(matrix_ND), ROWS_AT_A_TIME):
        digest.update(np.ascontiguousarray(matrix_ND[start : start + ROWS_AT_A_TIME]).tobytes())
    return digest.hexdigest().encode()


def _check(name: str, ids: Sequence[str], matrix_ND: np.ndarray, unit_length: bool) -> None:
    if matrix_ND.ndim != 2 or len(ids) != len(matrix_ND):
        raise ShapeError(
            f"{name}: {len(ids):,} ids and an array of shape {matrix_ND.shape}, expected one row an id. Embed them again."
        )
    if len(set(ids)) != len(ids):
        repeated = Counter(ids).most_common(1)[0][0]
        raise ShapeError(f'{name}: the id "{repeated}" occurs more than once. Every row needs an id of its own.')
    for start in range(0, len(ids), ROWS_AT_A_TIME):  # by pieces: the file may be larger than memory
        norms_N = np.linalg.norm(np.asarray(matrix_ND[start : start + ROWS_AT_A_TIME], np.float32), axis=1)
        near = np.abs(norms_N - 1) <= MAX_NORM_ERROR if unit_length else np.isfinite(norms_N) & (norms_N > 0)
        wrong_N = ~near  # not >, so that NaN counts as wrong
        if wrong_N.any():
            row = start + int(np.argmax(wrong_N))
            expected = "expected 1" if unit_length else "expected a finite one above 0"
            raise ShapeError(
                f"{name}: row {row} (id {ids[row]}) has length {norms_N[row - start]:.4f}, {expected}. Embed them again."
            )


def aligned_rows(what: str, wanted_ids: Sequence[str], stored_ids: Sequence[str]) -> np.ndarray:
    """For each wanted id, the row at which it is stored. Raises ShapeError when an id is not there.

    Joins go by id through this function, never by position.
    """
    row_of = {one: row for row, one in enumerate(stored_ids)}
    missing = [one for one in wanted_ids if one not in row_of]
    if missing:
        raise ShapeError(
            f"{what}: {len(missing):,} of {len(wanted_ids):,} ids are not there, the first is {missing[0]}. "
            "Embed the dataset again."
        )
    return np.fromiter((row_of[one] for one in wanted_ids), dtype=np.int64, count=len(wanted_ids))
