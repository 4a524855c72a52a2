"""Embeddings whose right answers are known, written as the embedding stage writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clip_pipeline.embedding.store import write_embeddings
from clip_pipeline.embedding.texts import caption_table, prompt_table


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_images(folder: Path, ids: Sequence[str], vectors: np.ndarray) -> Path:
    write_embeddings(folder, "images", ids, unit(np.asarray(vectors, float)))
    return folder


def write_texts(folder: Path, table, vectors: np.ndarray) -> Path:
    columns = {name: table[name] for name in table.column_names if name != "id"}
    write_embeddings(folder, "texts", table["id"].to_pylist(), unit(np.asarray(vectors, float)), columns)
    return folder


def write_prompts(folder: Path, class_names: Sequence[str], vectors: np.ndarray) -> Path:
    """One prompt a class."""
    return write_texts(folder, prompt_table(class_names, ["{c}"]), vectors)


def write_captions(folder: Path, captioned: list[tuple[str, list[str]]], vectors: np.ndarray) -> Path:
    return write_texts(folder, caption_table(captioned), vectors)


def score(rows: list[dict], metric: str, split: str | None = None) -> dict:
    """The one row of that metric."""
    found = [row for row in rows if row["metric"] == metric and split in (None, row["split"])]
    assert len(found) == 1, f"{metric} occurs {len(found)} times"
    return found[0]
