"""Embeddings on disk: `NAME.npy`, float16 and memory-mappable, and `NAME.parquet` with the id of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.errors import MissingArtifactError, ShapeError

LARGEST_NORM_ERROR = 2e-3
"""float16 rounds each number by at most 2^-11 of itself, so a stored unit vector is within 5e-4 of length 1."""


def write_embeddings(
    folder: Path, name: str, ids: Sequence[str], matrix_ND: np.ndarray, columns: Mapping[str, Sequence] | None = None
) -> None:
    """Writes `name.npy` and `name.parquet` (id, then `columns`, one row a vector).

    matrix_ND: unit vectors. The same vectors and ids give the same bytes; a difference in the last bits of float32, as
    between machines or thread counts, mostly disappears in the rounding to float16, not always.
    Raises ShapeError when lengths differ, an id is repeated, or a vector is no unit vector.
    """
    table = pa.table({"id": pa.array(ids, pa.string()), **(columns or {})})
    stored_ND = np.ascontiguousarray(matrix_ND, dtype=np.float16)
    _check(name, table["id"].to_pylist(), stored_ND)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.npy", stored_ND)
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
    return keys, matrix_ND


def _check(name: str, ids: Sequence[str], matrix_ND: np.ndarray) -> None:
    if matrix_ND.ndim != 2 or len(ids) != len(matrix_ND):
        raise ShapeError(
            f"{name}: {len(ids):,} ids and an array of shape {matrix_ND.shape}, expected one row an id. Embed them again."
        )
    if len(set(ids)) != len(ids):
        repeated = next(one for one in ids if ids.count(one) > 1)
        raise ShapeError(f'{name}: the id "{repeated}" occurs more than once. Every row needs an id of its own.')
    for start in range(0, len(ids), 65_536):  # by pieces: the file may be larger than memory
        norms_N = np.linalg.norm(np.asarray(matrix_ND[start : start + 65_536], np.float32), axis=1)
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
            f"{what}: {len(missing):,} of {len(wanted_ids):,} ids have no embedding, the first is {missing[0]}. "
            "Embed the dataset again."
        )
    return np.fromiter((row_of[one] for one in wanted_ids), dtype=np.int64, count=len(wanted_ids))


def assert_same_ids(what: str, left: Sequence[str], right: Sequence[str]) -> None:
    """Raises ShapeError unless both lists name the same things in the same order."""
    if len(left) != len(right):
        raise ShapeError(f"{what}: {len(left):,} ids on one side, {len(right):,} on the other. Compute both again.")
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        if a != b:
            raise ShapeError(f"{what}: row {row} is {a} on one side and {b} on the other. Compute both again.")
