"""Photos and texts into unit vectors in memory, by a loaded CLIP; `dataset.py` writes any number of them to files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.embedding.photo_stream import Content, check_rows, embed_blocks
from clip_pipeline.embedding.runtimes.runtime import REFERENCE, Runtime
from clip_pipeline.embedding.runtimes.torch_family import TorchRuntime
from clip_pipeline.errors import ModelError
from clip_pipeline.machine.progress import progress
from clip_pipeline.models.text_features import lengths_of, text_features
from clip_pipeline.pixels.preprocess import preprocessing_of

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

CPU_BATCH = 64
"""Rows a forward pass on the CPU, whatever batch size is asked for: larger ones are no faster there, and a fixed size
makes the bytes independent of the setting."""

TEXTS_SORTED = 4096
"""Texts that are brought into the order of their lengths at a time: their tokens take some megabytes."""


@dataclass(frozen=True)
class Embedded:
    """ids: one a row. matrix_ND: float32, unit length. failures: (id, status, message) of what could not be embedded."""

    ids: list[str]
    matrix_ND: np.ndarray
    failures: list[tuple[str, str, str]] = field(default_factory=list)


def rows_at_a_time(batch_size: int, device: str) -> int:
    """Rows of one forward pass."""
    return CPU_BATCH if device == "cpu" else batch_size


def embed_images(
    model: Any,
    preprocess: Callable[[Any], torch.Tensor],
    images: Iterable[tuple[str, Content]],
    total: int | None = None,
    batch_size: int = 256,
    device: str = "cpu",
    workers: int = 0,
    runtime: Runtime | None = None,
) -> Embedded:
    """Embeds (id, content) pairs in their order; images are in memory two batches at a time.

    content: the photo's file bytes, an array (H, W) or (H, W, 3) of bytes, or what gives either. A photo that cannot be
    decoded is a failure with a reason, not an error. workers: decoding threads, 0 is one a core. runtime: what runs the
    model, made of it (`make_runtime`); None is torch in fp32. Raises ModelError for vectors that are not finite.
    """
    runtime = runtime or TorchRuntime(REFERENCE, model, device)
    rows = rows_at_a_time(batch_size, device)
    with progress("Embedding photos", total, "photo") as bar:
        blocks = embed_blocks(runtime, preprocessing_of(preprocess), images, rows, None, device, workers, bar.advance)
        block = next(blocks, None)
    if block is None:
        return Embedded([], np.zeros((0, 0), np.float32))
    if block.failures:
        logger.info("Embedded %s photos, %s could not be decoded", f"{len(block.ids):,}", f"{len(block.failures):,}")
    return Embedded(block.ids, unit_rows(block.matrix_ND, "photos"), block.failures)


def embed_texts(
    model: Any,
    tokenizer: Callable[..., torch.Tensor],
    texts: Sequence[str],
    batch_size: int = 256,
    device: str = "cpu",
    unit_length: bool = True,
) -> np.ndarray:
    """(N texts, D) float32 vectors, row i for texts[i], of unit length or as the model gives them. Equal texts are embedded
    once and give equal rows; texts of like length are embedded together, for which the model computes less padding."""
    import torch

    unique = sorted(set(texts))
    rows = rows_at_a_time(batch_size, device)
    matrix_ND, row_of = np.zeros((0, 0), np.float32), np.zeros(len(unique), np.int64)
    with progress("Embedding texts", len(unique), "text") as bar, torch.inference_mode():
        parts: list[np.ndarray] = []
        for start in range(0, len(unique), TEXTS_SORTED):
            tokens = tokenizer(unique[start : start + TEXTS_SORTED])
            _check_tokens(tokens, model)
            order = lengths_of(tokens).argsort(stable=True)
            row_of[start + order.numpy()] = np.arange(start, start + len(order))
            for chosen in order.split(rows):
                rows_ND = text_features(model, tokens[chosen].to(device)).float().cpu().numpy()
                check_rows(rows_ND, "texts")
                parts.append(rows_ND)
                bar.advance(len(chosen))
    if parts:
        place = {text: number for number, text in enumerate(unique)}
        matrix_ND = np.concatenate(parts)[row_of[[place[text] for text in texts]]]
    return unit_rows(matrix_ND, "texts") if unit_length else matrix_ND


def _check_tokens(tokens: torch.Tensor, model: Any) -> None:
    """Raises ModelError for an id beyond the token table: it would be an IndexError deep inside torch."""
    largest, rows = int(tokens.max()), int(getattr(model, "vocab_size", 0) or 0)
    if rows and largest >= rows:
        raise ModelError(
            f"The tokenizer gives the token {largest:,}, the model's vocabulary ends at {rows - 1:,}: it is not the model's own. Give "
            "the model as a folder with its tokenizer."
        )


def unit_rows(rows_ND: np.ndarray, what: str) -> np.ndarray:
    """The rows at length 1. Raises ModelError when one is zero or not finite."""
    check_rows(rows_ND, what)
    return rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
