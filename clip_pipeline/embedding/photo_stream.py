"""Photos in, blocks of vectors out, in order: what is in memory is two batches of images and one block of vectors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.embedding.runtimes.runtime import Runtime
from clip_pipeline.errors import ImageError, ModelError, ShapeError
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.pixels.preprocess import Preprocessing

if TYPE_CHECKING:
    import torch

Content = bytes | np.ndarray | Callable[[], bytes | np.ndarray]
"""A photo: its file's bytes, an array (H, W) or (H, W, 3) of bytes, or what gives either, called in a decoding thread."""


@dataclass(frozen=True)
class Block:
    """Some photos that follow one another. ids: one a row of matrix_ND, float32. failures: (id, status, message)."""

    ids: list[str] = field(default_factory=list)
    matrix_ND: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    failures: list[tuple[str, str, str]] = field(default_factory=list)


def embed_blocks(
    runtime: Runtime,
    preprocessing: Preprocessing,
    images: Iterable[tuple[str, Content]],
    batch_size: int,
    block_size: int | None,
    device: str = "cpu",
    workers: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Iterator[Block]:
    """Vectors of (id, content) pairs, a block for every `block_size` photos (None: one block), as the runtime gives them.

    A photo that cannot be read or decoded is a failure with a reason, not an error. workers: decoding threads, 0 is one a
    core. advance: called once a photo. Raises ModelError for vectors that are not finite, ShapeError when vectors and photos
    do not agree.
    """
    with ThreadPoolExecutor(workers or usable_cores()) as pool:
        prepared = _prepared(iter(images), preprocessing, pool, batch_size, beside=device != "cpu")
        while True:
            some = prepared if block_size is None else islice(prepared, block_size)
            block = _embed_block(runtime, preprocessing, some, batch_size, advance)
            if not block.ids and not block.failures:
                return
            yield block
            if block_size is None:
                return


def _embed_block(
    runtime: Runtime,
    preprocessing: Preprocessing,
    prepared: Iterable[tuple[str, Any]],
    batch_size: int,
    advance: Callable[[], None],
) -> Block:
    ids: list[str] = []
    failures: list[tuple[str, str, str]] = []
    parts: list[np.ndarray] = []
    batch: list[Any] = []
    for photo_id, image in prepared:
        if isinstance(image, _Failure):
            failures.append((photo_id, image.status, image.message))
        else:
            ids.append(photo_id)
            batch.append(image)
        if len(batch) == batch_size:
            parts.append(_encode(runtime, preprocessing.tensor(batch)))
            batch = []
        advance()
    if batch:
        parts.append(_encode(runtime, preprocessing.tensor(batch)))
    return Block(ids, np.concatenate(parts) if parts else np.zeros((0, 0), np.float32), failures)


def _encode(runtime: Runtime, pixels_N3SS: torch.Tensor) -> np.ndarray:
    rows_ND = np.asarray(runtime.encode_images(pixels_N3SS), np.float32)
    if rows_ND.ndim != 2 or len(rows_ND) != len(pixels_N3SS):
        raise ShapeError(
            f"The runtime {runtime.name} gave an array of shape {rows_ND.shape} for {len(pixels_N3SS)} photos, expected one "
            "row a photo. Choose another runtime."
        )
    check_rows(rows_ND, "photos")
    return rows_ND


def check_rows(rows_ND: np.ndarray, what: str) -> None:
    """Raises ModelError when a vector is zero or not finite."""
    norms_N = np.linalg.norm(rows_ND, axis=1)
    broken = int((~np.isfinite(norms_N) | (norms_N == 0)).sum())
    if broken:
        raise ModelError(
            f"The model gives {broken} of {len(rows_ND)} {what} a vector that is zero or not finite. "
            "Its weights are damaged or its training diverged: train it again with a lower learning rate."
        )


@dataclass(frozen=True)
class _Failure:
    status: str
    message: str


def _prepared(
    images: Iterator[tuple[str, Content]],
    preprocessing: Preprocessing,
    pool: ThreadPoolExecutor,
    batch_size: int,
    beside: bool,
) -> Iterator[tuple[str, Any]]:
    """(id, image or failure), in order.

    beside: decode the next batches while the model works on a device of its own. On the CPU decoding and the model take
    turns: threads that decode beside the model take its cores away one at a time, and each of its parallel sections waits
    for the slowest.
    """
    waiting: deque[tuple[str, Future]] = deque()
    while True:
        if beside or not waiting:
            for photo_id, content in islice(images, batch_size * (1 + beside) - len(waiting)):
                waiting.append((photo_id, pool.submit(_prepare, photo_id, content, preprocessing)))
            if not beside:
                wait([future for _, future in waiting])
        if not waiting:
            return
        for _ in range(min(batch_size, len(waiting))):
            photo_id, future = waiting.popleft()
            prepared_id, image = future.result()
            if prepared_id != photo_id:
                raise ShapeError(f"The image of {prepared_id} came for {photo_id}. Tell us: this is a fault of ours.")
            yield photo_id, image


def _prepare(photo_id: str, content: Content, preprocessing: Preprocessing) -> tuple[str, Any]:
    if callable(content):
        try:
            content = content()
        except OSError as error:
            return photo_id, _Failure("missing_file", error.strerror or str(error))
    try:
        return photo_id, preprocessing.image(content)
    except ImageError as error:
        return photo_id, _Failure("broken_image", str(error))
