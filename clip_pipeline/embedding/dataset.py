"""Embeds the photos and the texts of one dataset into a folder."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.device import choose_device, use_threads
from clip_pipeline.embedding.encoder import embed_images, embed_texts
from clip_pipeline.embedding.files import write_embeddings
from clip_pipeline.errors import PhotosError
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings

IMAGES, TEXTS = "images", "texts"
FAILURES_FILE = "images_failures.parquet"


def embed_dataset_images(
    model_folder: Path,
    images: Iterable[tuple[str, bytes]],
    total: int | None,
    folder: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
) -> dict[str, Any]:
    """Writes images.npy, images.parquet (id) and images_failures.parquet (id, status, error_message) into `folder`.

    images: (id, file bytes). Returns facts: photos, failed, dimensions, seconds, photos_per_second.
    Raises PhotosError when no photo could be decoded, ModelError for a folder that is no model.
    """
    from clip_pipeline.models.folder import load_model_folder

    device = choose_device(compute.device)
    use_threads(compute.threads)
    model, preprocess, _ = load_model_folder(model_folder, device)
    started = time.monotonic()
    embedded = embed_images(model, preprocess, images, total, settings.batch_size, device, compute.workers)
    seconds = time.monotonic() - started
    if not embedded.ids:
        reason = f" The first failed with: {embedded.failures[0][2]}." if embedded.failures else ""
        raise PhotosError(f"None of {len(embedded.failures)} photos could be embedded.{reason} Expected image files.")
    write_embeddings(folder, IMAGES, embedded.ids, embedded.matrix_ND)
    columns = ("id", "status", "error_message")
    failures = [dict(zip(columns, row, strict=True)) for row in embedded.failures]
    schema = pa.schema([(column, pa.string()) for column in columns])
    pq.write_table(pa.Table.from_pylist(failures, schema), folder / FAILURES_FILE, compression="zstd")
    return {
        "photos": len(embedded.ids),
        "failed": len(embedded.failures),
        "dimensions": int(embedded.matrix_ND.shape[1]),
        "seconds": round(seconds, 3),
        "photos_per_second": round(len(embedded.ids) / max(seconds, 1e-9), 1),
    }


def embed_dataset_texts(
    model_folder: Path, texts: pa.Table, folder: Path, settings: EmbeddingSettings, compute: ComputeSettings
) -> dict[str, Any]:
    """Writes texts.npy and texts.parquet (all columns of `texts`) into `folder`.

    texts: of `prompt_table` or `caption_table`; `id` and `text` are needed. Returns facts: texts, dimensions, seconds.
    """
    from clip_pipeline.models.folder import load_model_folder

    device = choose_device(compute.device)
    use_threads(compute.threads)
    model, _, tokenizer = load_model_folder(model_folder, device)
    started = time.monotonic()
    matrix_ND = embed_texts(model, tokenizer, texts["text"].to_pylist(), settings.batch_size, device)
    columns = {name: texts[name] for name in texts.column_names if name != "id"}
    write_embeddings(folder, TEXTS, texts["id"].to_pylist(), matrix_ND, columns)
    return {
        "texts": len(texts),
        "dimensions": int(matrix_ND.shape[1]),
        "seconds": round(time.monotonic() - started, 3),
    }
