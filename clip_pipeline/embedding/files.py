"""Embeddings on disk: `NAME.npy`, float16 and memory-mappable, and `NAME.parquet` with the id of every row.

The table also holds each id's row number, and in its schema the sha256 of the array it was written with, so that a table
which was sorted, or an array which was computed again, is noticed when it is read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.errors import MissingArtifactError, ShapeError

VECTORS_HASH = b"vectors_sha256"
ROWS_AT_A_TIME = 65_536
LARGEST_NORM_ERROR = 2e-3
"""float16 rounds each number by at most 2^-11 of itself, so a stored unit vector is within 5e-4 of length 1."""


def write_embeddings(
    folder: Path, name: str, ids: Sequence[str], matrix_ND: np.ndarray, columns: Mapping[str, Sequence] | None = None
) -> None:
    """Writes `name.npy` and `name.parquet` (id, row, then `columns`, one row a vector).

    matrix_ND: unit vectors. The same vectors and ids give the same bytes; a difference in the last bits of float32, as
    between machines or thread counts, mostly disappears in the rounding to float16, not always.
    Raises ShapeError when lengths differ, an id is repeated, or a vector is no unit vector.
    """
    stored_ND = np.ascontiguousarray(matrix_ND, dtype=np.float16)
    _check(name, list(ids), stored_ND)
    row = pa.array(range(len(ids)), pa.int64())
    table = pa.table({"id": pa.array(ids, pa.string()), "row": row, **(columns or {})})
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", stored_ND)
    table = table.replace_schema_metadata({VECTORS_HASH: _hash_rows(stored_ND)})
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def read_embeddings(folder: Path, name: str) -> tuple[pa.Table, np.ndarray]:
    """(keys, matrix): the table with `id` and what was stored beside it, and the (N, D) float16 unit vectors, row by row.

    The matrix is memory-mapped. Raises MissingArtifactError when a file is absent, ShapeError when the two files do not
    belong together, an id is repeated, or a vector is not finite or no unit vector.
    """
    for path in (folder / f"{name}.npy", folder / f"{name}.parquet"):
        if not path.is_file():
            raise MissingArtifactError(f"{path} does not exist. Embed the {name} again.")
    keys = pq.read_table(folder / f"{name}.parquet")
    matrix_ND = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    _check(name, keys["id"].to_pylist(), matrix_ND)
    _check_order(name, keys, matrix_ND)
    return keys, matrix_ND


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


def _check(name: str, ids: Sequence[str], matrix_ND: np.ndarray) -> None:
    if matrix_ND.ndim != 2 or len(ids) != len(matrix_ND):
        raise ShapeError(
            f"{name}: {len(ids):,} ids and an array of shape {matrix_ND.shape}, expected one row an id. Embed them again."
        )
    if len(set(ids)) != len(ids):
        repeated = Counter(ids).most_common(1)[0][0]
        raise ShapeError(f'{name}: the id "{repeated}" occurs more than once. Every row needs an id of its own.')
    for start in range(0, len(ids), ROWS_AT_A_TIME):  # by pieces: the file may be larger than memory
        norms_N = np.linalg.norm(np.asarray(matrix_ND[start : start + ROWS_AT_A_TIME], np.float32), axis=1)
        wrong_N = ~(np.abs(norms_N - 1) <= LARGEST_NORM_ERROR)  # not >, so that NaN counts as wrong
        if wrong_N.any():
            row = start + int(np.argmax(wrong_N))
            raise ShapeError(
                f"{name}: row {row} (id {ids[row]}) has length {norms_N[row - start]:.4f}, expected 1. Embed them again."
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
