"""The bucket of a word, and a file of links for each bucket."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.records import IMAGE_LINKS

if TYPE_CHECKING:
    import pyarrow as pa


def bucket_of(word: str, buckets: int) -> int:
    """The bucket of a word, 0 to buckets - 1: always the same, so a new word touches one bucket only."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % buckets


def write_buckets(
    links: Iterable[pa.Table], vocabulary: list[tuple[str, str]], buckets: list[str], folder: Path
) -> int:
    """Writes the links, which come in the order of the vocabulary, to one file a bucket; returns their number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    written = 0
    bucket_numbers = np.array([buckets.index(bucket) for bucket, _ in vocabulary], np.int64)
    words = pa.array([word for _, word in vocabulary], pa.string())
    with contextlib.ExitStack() as files:
        writers = [
            files.enter_context(pq.ParquetWriter(folder / f"{bucket}.parquet", IMAGE_LINKS, compression="zstd"))
            for bucket in buckets
        ]
        for piece in links:
            piece = piece.sort_by([("word", "ascending"), ("rank", "ascending")])
            numbers = piece["word"].to_numpy()
            piece = piece.set_column(piece.schema.get_field_index("word"), "word", words.take(piece["word"]))
            rows = piece.select(IMAGE_LINKS.names).cast(IMAGE_LINKS)
            for bucket in np.unique(bucket_numbers[numbers]).tolist():
                writers[bucket].write_table(rows.filter(bucket_numbers[numbers] == bucket))
            written += len(rows)
    return written
