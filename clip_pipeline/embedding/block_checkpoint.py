"""Finished blocks of vectors on the disk, from which a killed run goes on, and the files that they become.

WORK/plan.json          what decides the vectors: blocks of another plan are of no use and are removed
WORK/00000.arrow, …     id, status, error_message and vector of the photos of one block, in place only when it is whole; then the
                        sha256 of all that, for a block that was damaged since must not become vectors

A block holds a fixed number of photos, so its bytes do not depend on where a run was killed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.layouts import Layout
from clip_pipeline.embedding.photo_stream import Block
from clip_pipeline.embedding.store import IdsDigest, VectorFile, VectorFormat, keys_metadata
from clip_pipeline.errors import DamagedFileError, ShapeError
from clip_pipeline.storage.disk import sync_path, write_synced

logger = logging.getLogger(__name__)

PLAN_FILE = "plan.json"
DIGEST_BYTES = hashlib.sha256().digest_size
FAILURE_COLUMNS = ("id", "status", "error_message")


class Blocks:
    """The blocks below a work folder. plan: JSON values that decide their bytes."""

    def __init__(self, work: Path, plan: Mapping[str, Any], format: VectorFormat):
        self.work, self.format = work, format
        described = json.dumps(plan, sort_keys=True, indent=1) + "\n"
        path = work / PLAN_FILE
        if not path.is_file() or path.read_bytes() != described.encode():
            if any(work.glob("*.arrow")):
                logger.info("What was begun in %s has other settings or photos: it starts anew", work)
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            write_synced(path, described)
        for rest in work.glob(".*.arrow"):  # of a run that was killed while it wrote
            rest.unlink()

    def finished(self) -> int:
        """How many blocks are whole, counted from the first."""
        number = 0
        while self._path(number).is_file():
            number += 1
        return number

    def write(self, number: int, block: Block) -> None:
        """Stores a block, whole or not at all. Raises ModelError for numbers that the format cannot hold."""
        vectors = [row.tobytes() for row in self.format.stored(block.matrix_ND)]
        failed = [list(column) for column in zip(*block.failures, strict=True)] or [[], [], []]
        none = [None] * len(vectors)
        columns = {
            "id": pa.array([*block.ids, *failed[0]], pa.string()),
            "status": pa.array([*none, *failed[1]], pa.string()),
            "error_message": pa.array([*none, *failed[2]], pa.string()),
            "vector": pa.array([*vectors, *[None] * len(block.failures)], pa.binary()),
        }
        table, path = pa.table(columns), self._path(number)
        temporary = path.with_name(f".{path.name}")
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        content = sink.getvalue()
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.write(hashlib.sha256(content).digest())
        sync_path(temporary)
        temporary.replace(path)
        sync_path(path.parent)

    def ids(self, number: int) -> list[str]:
        """All photos of a block, those that failed too: first the vectors', then the failures'."""
        return self._read(number)["id"].to_pylist()

    def forget(self, number: int) -> None:
        """Removes a block and all that follow."""
        while (path := self._path(number)).is_file():
            path.unlink()
            number += 1

    def read(self, number: int) -> Block:
        """A block; its vectors as they are stored. Raises DamagedFileError for one that was changed since."""
        table = self._read(number)
        good = table.filter(table["vector"].is_valid())
        vectors = good["vector"].to_pylist()
        matrix_ND = np.frombuffer(b"".join(vectors), self.format.dtype).reshape(len(vectors), -1 if vectors else 0)
        failed = table.filter(table["vector"].is_null()).select(FAILURE_COLUMNS)
        rows = zip(*(failed[column].to_pylist() for column in FAILURE_COLUMNS), strict=True)
        return Block(good["id"].to_pylist(), matrix_ND, list(rows))

    def __iter__(self) -> Iterator[Block]:
        return (self.read(number) for number in range(self.finished()))

    def _path(self, number: int) -> Path:
        return self.work / f"{number:05d}.arrow"

    def _read(self, number: int) -> pa.Table:
        content = memoryview(self._path(number).read_bytes())
        table, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if hashlib.sha256(table).digest() != digest:
            raise DamagedFileError(
                f"The finished block {self._path(number)} is not what was written: its checksum does not match. Run again: its "
                "photos are embedded once more."
            )
        return pa.ipc.open_file(pa.py_buffer(table)).read_all()


@dataclass(frozen=True)
class Merged:
    """photos: vectors written. failed: photos without one. first_failure: its id and message."""

    photos: int
    failed: int
    dimensions: int
    first_failure: str


def merge_blocks(blocks: Blocks, layout: Layout, about: Mapping[str, str]) -> Merged:
    """Writes the array, the table of ids and the table of failures, a block at a time.

    about: kept in the schema of the ids. Raises ShapeError for an id that occurs more than once. Without a single vector
    nothing is written.
    """
    sizes = [(len(block.ids), len(block.failures), block.matrix_ND.shape[1]) for block in blocks]
    dimensions = max((size[2] for size in sizes), default=0)
    first = next((f"{failed[0]}: {failed[2]}" for block in blocks for failed in block.failures), "")
    merged = Merged(sum(size[0] for size in sizes), sum(size[1] for size in sizes), dimensions, first)
    if not merged.photos:
        return merged
    for path in (layout.vectors, layout.keys):
        path.parent.mkdir(parents=True, exist_ok=True)
    hashes, digest = _IdHashes(), IdsDigest()
    with VectorFile(layout.vectors, blocks.format.dtype, dimensions) as file:
        for block in blocks:
            if block.ids:
                file.append(block.matrix_ND)
                digest.update(block.ids)
            hashes.add(all_ids(block))
    hashes.check(blocks)
    _write_keys(blocks, layout, keys_metadata(file.sha256, digest, blocks.format, about))
    _write_failures(blocks, layout.failures)
    return merged


def _write_keys(blocks: Blocks, layout: Layout, metadata: dict[bytes, bytes]) -> None:
    fields = [("id", pa.string()), ("row", pa.int64()), ("image_path", pa.string())]
    schema = pa.schema(fields if layout.places else fields[:2], metadata)
    places = layout.places() if layout.places else None
    row = 0
    with pq.ParquetWriter(layout.keys, schema, compression="zstd") as writer:
        for block in blocks:
            if not block.ids:
                continue
            columns = [pa.array(block.ids, pa.string()), pa.array(range(row, row + len(block.ids)), pa.int64())]
            if places is not None:
                columns.append(pa.array([_place_of(photo_id, places) for photo_id in block.ids], pa.string()))
            writer.write_table(pa.table(columns, schema=schema))
            row += len(block.ids)


def _place_of(photo_id: str, places: Iterator[tuple[str, str]]) -> str:
    """Where that photo lies; places of photos before it, which failed, are passed over."""
    for known, place in places:
        if known == photo_id:
            return place
    raise ShapeError(f"The photo {photo_id} has gone, or the photos have another order now. Embed them again.")


def _write_failures(blocks: Blocks, path: Path) -> None:
    schema = pa.schema([(column, pa.string()) for column in FAILURE_COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for block in blocks:
            if block.failures:
                rows = [dict(zip(FAILURE_COLUMNS, row, strict=True)) for row in block.failures]
                writer.write_table(pa.Table.from_pylist(rows, schema))


class _IdHashes:
    """Finds an id that comes twice, with 8 bytes an id. Of 64 bits two are alike once in 360,000 runs of ten million."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []

    def add(self, ids: list[str]) -> None:
        self._parts.append(self._hashed(ids))

    def check(self, blocks: Blocks) -> None:
        """Raises ShapeError for an id that was added twice."""
        if not self._parts:
            return
        hashes = np.sort(np.concatenate(self._parts))
        repeated = hashes[1:][hashes[1:] == hashes[:-1]]
        if not len(repeated):
            return
        for block in blocks:
            ids = all_ids(block)
            found = np.flatnonzero(np.isin(self._hashed(ids), repeated))
            if len(found):
                raise ShapeError(f'The id "{ids[found[0]]}" occurs more than once. Every photo needs an id of its own.')

    @staticmethod
    def _hashed(ids: list[str]) -> np.ndarray:
        return np.frombuffer(b"".join(hashlib.blake2b(one.encode(), digest_size=8).digest() for one in ids), np.uint64)


def all_ids(block: Block) -> list[str]:
    """Ids of the vectors, then of the failures."""
    return [*block.ids, *(photo_id for photo_id, _, _ in block.failures)]
