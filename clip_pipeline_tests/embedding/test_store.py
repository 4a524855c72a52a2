from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.embedding.store import aligned_rows, read_embeddings, write_embeddings
from clip_pipeline.errors import MissingArtifactError, ShapeError


def unit_rows(count: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimensions))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_what_was_written_is_read_as_float16_with_its_ids_and_columns(tmp_path):
    matrix = unit_rows(3)
    write_embeddings(tmp_path, "texts", ["b", "a", "c"], matrix, {"photo_id": ["x", "y", "x"]})
    keys, stored = read_embeddings(tmp_path, "texts")
    assert keys["id"].to_pylist() == ["b", "a", "c"]
    assert keys["photo_id"].to_pylist() == ["x", "y", "x"]
    assert stored.dtype == np.float16
    assert isinstance(stored, np.memmap)
    np.testing.assert_array_equal(stored, matrix.astype(np.float16))


def test_the_same_vectors_give_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        write_embeddings(tmp_path / folder, "images", ["a", "b"], unit_rows(2))
    for name in ("images.npy", "images.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_keys_table_that_was_sorted_is_noticed(tmp_path):
    write_embeddings(tmp_path, "images", ["b", "a"], unit_rows(2))
    keys = pq.read_table(tmp_path / "images.parquet")
    pq.write_table(keys.sort_by("id"), tmp_path / "images.parquet")
    with pytest.raises(ShapeError, match=r"images.parquet is not in the order of images.npy any more"):
        read_embeddings(tmp_path, "images")


def test_an_array_that_was_replaced_is_noticed(tmp_path):
    write_embeddings(tmp_path, "images", ["a", "b"], unit_rows(2))
    np.save(tmp_path / "images.npy", unit_rows(2, seed=1).astype(np.float16))
    with pytest.raises(ShapeError, match=r"images.npy is not the array that images.parquet was written with"):
        read_embeddings(tmp_path, "images")


def test_an_array_of_another_length_is_noticed(tmp_path):
    write_embeddings(tmp_path, "images", ["a", "b"], unit_rows(2))
    np.save(tmp_path / "images.npy", unit_rows(3).astype(np.float16))
    with pytest.raises(ShapeError, match=r"2 ids and an array of shape \(3, 8\), expected one row an id"):
        read_embeddings(tmp_path, "images")


def test_a_repeated_id_is_refused(tmp_path):
    with pytest.raises(ShapeError, match='the id "a" occurs more than once'):
        write_embeddings(tmp_path, "images", ["a", "b", "a"], unit_rows(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, 1.5])
def test_a_row_that_is_no_unit_vector_is_refused(tmp_path, bad):
    matrix = unit_rows(3)
    matrix[1] *= bad
    with pytest.raises(ShapeError, match=r"row 1 \(id b\) has length .*, expected 1"):
        write_embeddings(tmp_path, "images", ["a", "b", "c"], matrix)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(MissingArtifactError, match=r"images.npy does not exist. Embed the images again"):
        read_embeddings(tmp_path, "images")


def test_joins_go_by_id_whatever_the_order():
    assert aligned_rows("labels", ["c", "a"], ["a", "b", "c"]).tolist() == [2, 0]


def test_a_join_with_an_absent_id_names_it():
    with pytest.raises(ShapeError, match="labels: 1 of 2 ids are not there, the first is z"):
        aligned_rows("labels", ["a", "z"], ["a", "b"])
