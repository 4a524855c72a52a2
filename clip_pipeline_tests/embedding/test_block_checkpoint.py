from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.embedding.block_checkpoint import Blocks, merge_blocks
from clip_pipeline.embedding.layouts import own_layout
from clip_pipeline.embedding.photo_stream import Block
from clip_pipeline.embedding.store import VectorFormat, about_embeddings, read_embeddings, write_embeddings
from clip_pipeline.errors import DamagedFileError, ModelError, ShapeError

UNIT = VectorFormat()


def block(*names: str, failed: tuple[str, ...] = (), seed: int = 0) -> Block:
    rows = np.random.default_rng(seed).normal(size=(len(names), 8)).astype(np.float32)
    return Block(list(names), rows, [(name, "broken_image", "cut") for name in failed])


def test_blocks_become_the_files_that_are_written_at_once(tmp_path):
    blocks = Blocks(tmp_path / "work", {"a": 1}, UNIT)
    parts = [block("a", "b"), block("c", failed=("x",), seed=1), block(failed=("y",)), block("d", "e", seed=2)]
    for number, part in enumerate(parts):
        blocks.write(number, part)
    merged = merge_blocks(blocks, own_layout(tmp_path / "merged"), {"runtime": "r"})
    assert (merged.photos, merged.failed, merged.dimensions, merged.first_failure) == (5, 2, 8, "x: cut")
    matrix = np.concatenate([part.matrix_ND for part in parts if part.ids])
    write_embeddings(tmp_path / "once", "images", list("abcde"), UNIT.stored(matrix), about={"runtime": "r"})
    assert (tmp_path / "merged" / "images.npy").read_bytes() == (tmp_path / "once" / "images.npy").read_bytes()
    keys, stored = read_embeddings(tmp_path / "merged", "images")
    assert keys.equals(read_embeddings(tmp_path / "once", "images")[0], check_metadata=True)
    assert np.array_equal(np.load(tmp_path / "merged" / "images.npy"), stored)
    failures = pq.read_table(tmp_path / "merged" / "images_failures.parquet")
    assert failures["id"].to_pylist() == ["x", "y"]
    assert about_embeddings(keys)["runtime"] == "r"


def test_the_array_is_the_bytes_of_np_save(tmp_path):
    blocks = Blocks(tmp_path / "work", {}, VectorFormat("float32", unit_length=False))
    blocks.write(0, block("a", "b", "c"))
    merge_blocks(blocks, own_layout(tmp_path / "out"), {})
    np.save(tmp_path / "theirs.npy", block("a", "b", "c").matrix_ND)
    assert (tmp_path / "out" / "images.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


def test_blocks_of_another_plan_are_not_used(tmp_path):
    Blocks(tmp_path, {"model": "one"}, UNIT).write(0, block("a"))
    assert Blocks(tmp_path, {"model": "one"}, UNIT).finished() == 1
    assert Blocks(tmp_path, {"model": "other"}, UNIT).finished() == 0


def test_what_a_killed_run_left_half_written_is_no_block(tmp_path):
    Blocks(tmp_path, {}, UNIT).write(0, block("a"))
    (tmp_path / ".00001.arrow").write_bytes(b"half")
    blocks = Blocks(tmp_path, {}, UNIT)
    assert blocks.finished() == 1
    assert not (tmp_path / ".00001.arrow").exists()


@pytest.mark.parametrize("second", [block("c", "a"), block(failed=("a",))])
def test_an_id_that_comes_twice_is_told(tmp_path, second):
    blocks = Blocks(tmp_path / "work", {}, UNIT)
    blocks.write(0, block("a", "b"))
    blocks.write(1, second)
    with pytest.raises(ShapeError, match='The id "a" occurs more than once'):
        merge_blocks(blocks, own_layout(tmp_path), {})


def test_ids_that_were_permuted_after_writing_are_noticed(tmp_path):
    """Row numbers and vectors untouched: only the hash of the ids in their order can tell."""
    blocks = Blocks(tmp_path / "work", {}, UNIT)
    blocks.write(0, block("a", "b", "c"))
    merge_blocks(blocks, own_layout(tmp_path), {})
    keys = pq.read_table(tmp_path / "images.parquet")
    permuted = keys.set_column(0, "id", pa.array(["b", "a", "c"]))
    pq.write_table(permuted.replace_schema_metadata(keys.schema.metadata), tmp_path / "images.parquet")
    with pytest.raises(ShapeError, match=r"ids in images.parquet are not those that images.npy was written with"):
        read_embeddings(tmp_path, "images")


def test_numbers_too_large_for_float16_are_told(tmp_path):
    large = Block(["a"], np.full((1, 4), 1e5, np.float32))
    with pytest.raises(ModelError, match="numbers of 100,000, more than float16 holds. Store float32"):
        Blocks(tmp_path, {}, VectorFormat("float16", unit_length=False)).write(0, large)
    Blocks(tmp_path, {}, UNIT).write(0, large)


def test_vectors_stored_as_they_are_come_back_at_unit_length(tmp_path):
    raw = block("a", "b").matrix_ND * 7
    write_embeddings(tmp_path, "images", ["a", "b"], raw, format=VectorFormat("float32", unit_length=False))
    assert np.array_equal(np.load(tmp_path / "images.npy"), raw)
    _, read = read_embeddings(tmp_path, "images")
    np.testing.assert_allclose(read, raw / np.linalg.norm(raw, axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    "change", [lambda content: content[:-40], lambda content: b"", lambda content: content[:200] + b"?" + content[201:]]
)
def test_a_block_that_changed_on_the_disk_is_no_block(tmp_path, change):
    blocks = Blocks(tmp_path, {}, UNIT)
    blocks.write(0, block("a", "b"))
    assert blocks.ids(0) == ["a", "b"]
    path = tmp_path / "00000.arrow"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedFileError, match=r"is not what was written.*Run again"):
        blocks.read(0)


def test_a_plan_that_cannot_be_read_is_another_one(tmp_path):
    Blocks(tmp_path, {}, UNIT).write(0, block("a"))
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe")
    assert Blocks(tmp_path, {}, UNIT).finished() == 0
