"""Photos and texts into unit vectors, by a loaded CLIP."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.embedding.runtimes.runtime import REFERENCE, Runtime
from clip_pipeline.embedding.runtimes.torch_family import TorchRuntime
from clip_pipeline.errors import ModelError
from clip_pipeline.progress import progress

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

CPU_BATCH = 64
"""Rows a forward pass on the CPU, whatever batch size is asked for: larger ones are no faster there, and a fixed size
makes the bytes independent of the setting."""


@dataclass(frozen=True)
class Embedded:
    """ids: one a row. matrix_ND: float32, unit length. failures: (id, status, message) of what could not be embedded."""

    ids: list[str]
    matrix_ND: np.ndarray
    failures: list[tuple[str, str, str]] = field(default_factory=list)


def embed_images(
    model: Any,
    preprocess: Callable[[Any], torch.Tensor],
    images: Iterable[tuple[str, bytes]],
    total: int | None = None,
    batch_size: int = 256,
    device: str = "cpu",
    workers: int = 0,
    runtime: Runtime | None = None,
) -> Embedded:
    """Embeds (id, file bytes) pairs in their order; memory holds two batches of photos at a time.

    A photo that cannot be decoded is a failure with a reason, not an error. workers: decoding threads, 0 is one a core.
    runtime: what runs the model, made of it (`make_runtime`); None is torch in fp32.
    Raises ModelError when the model gives numbers that are not finite.
    """
    ids: list[str] = []
    failures: list[tuple[str, str, str]] = []
    parts: list[np.ndarray] = []
    rows = CPU_BATCH if device == "cpu" else batch_size
    resize, to_tensor = _split_preprocess(preprocess)
    runtime = runtime or TorchRuntime(REFERENCE, model, device)
    with (
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
        progress("Embedding photos", total, "photo") as bar,
    ):
        for batch in _full_batches(_decoded(images, resize, pool, rows), rows, failures, bar):
            pixels = to_tensor([array for _, array in batch])
            parts.append(_unit_rows(runtime.encode_images(pixels), "photos"))
            ids.extend(photo_id for photo_id, _ in batch)
    if failures:
        logger.info("Embedded %s photos, %s could not be decoded", f"{len(ids):,}", f"{len(failures):,}")
    return Embedded(ids, _stacked(parts), failures)


def embed_texts(
    model: Any,
    tokenizer: Callable[..., torch.Tensor],
    texts: Sequence[str],
    batch_size: int = 256,
    device: str = "cpu",
) -> np.ndarray:
    """(N texts, D) float32 unit vectors, row i for texts[i]. Equal texts are embedded once and give equal rows."""
    import torch

    unique = sorted(set(texts))
    rows = CPU_BATCH if device == "cpu" else batch_size
    parts: list[np.ndarray] = []
    with progress("Embedding texts", len(unique), "text") as bar, torch.inference_mode():
        for start in range(0, len(unique), rows):
            tokens = tokenizer(unique[start : start + rows]).to(device)
            parts.append(_unit_rows(model.encode_text(tokens).float().cpu().numpy(), "texts"))
            bar.advance(len(tokens))
    row_of = {text: row for row, text in enumerate(unique)}
    return _stacked(parts)[[row_of[text] for text in texts]]


def _decode(content: bytes) -> Any:
    """An upright RGB picture, transparency on white."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as picture:
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return upright.convert("RGB")


def _split_preprocess(preprocess: Any) -> tuple[Callable[[Any], Any], Callable[[list[Any]], torch.Tensor]]:
    """(picture -> array, list of arrays -> (N, 3, S, S) tensor), together the same arithmetic as `preprocess`.

    Resizing goes to the decoding threads, the tensor part runs once a batch: torch called from many threads at a time
    made embedding four times slower on two busy cores. A preprocess of an unknown kind runs whole, picture by picture.
    """
    import torch

    steps = list(getattr(preprocess, "transforms", ()))
    kinds = [type(step).__name__ for step in steps]
    split = next((i for i, kind in enumerate(kinds) if kind in ("ToTensor", "MaybeToTensor")), None)
    if split is None or kinds[split + 1 :] != ["Normalize"]:
        return preprocess, torch.stack

    def resize(picture: Any) -> np.ndarray:
        for step in steps[:split]:
            picture = step(picture)
        return np.asarray(picture)

    def to_tensor(arrays_HWC: list[np.ndarray]) -> torch.Tensor:
        pixels_NHWC = torch.from_numpy(np.stack(arrays_HWC))
        return steps[-1](pixels_NHWC.permute(0, 3, 1, 2).contiguous().float().div(255))

    return resize, to_tensor


def _decoded(
    images: Iterable[tuple[str, bytes]], resize: Callable[[Any], Any], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[tuple[str, Any]]:
    """(id, array, or the reason why there is none), in order, decoding `ahead` photos while the model works."""
    waiting: list[tuple[str, Future]] = []
    stream = iter(images)
    while True:
        for photo_id, content in islice(stream, 2 * ahead - len(waiting)):
            waiting.append((photo_id, pool.submit(_resized_or_reason, content, resize)))
        if not waiting:
            return
        now, waiting = waiting[:ahead], waiting[ahead:]
        for photo_id, future in now:
            yield photo_id, future.result()


def _resized_or_reason(content: bytes, resize: Callable[[Any], Any]) -> Any:
    from PIL import Image

    try:
        return resize(_decode(content))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error).split(" <")[0] or type(error).__name__


def _full_batches(
    decoded: Iterable[tuple[str, Any]], rows: int, failures: list[tuple[str, str, str]], bar: Any
) -> Iterator[list[tuple[str, Any]]]:
    batch: list[tuple[str, Any]] = []
    for photo_id, array in decoded:
        if isinstance(array, str):
            failures.append((photo_id, "broken_image", array))
        else:
            batch.append((photo_id, array))
        bar.advance()
        if len(batch) == rows:
            yield batch
            batch = []
    if batch:
        yield batch


def _unit_rows(rows_ND: np.ndarray, what: str) -> np.ndarray:
    norms_N1 = np.linalg.norm(rows_ND, axis=1, keepdims=True)
    broken = int((~np.isfinite(norms_N1) | (norms_N1 == 0)).sum())
    if broken:
        raise ModelError(
            f"The model gives {broken} of {len(rows_ND)} {what} a vector that is zero or not finite. "
            "Its weights are damaged or its training diverged: train it again with a lower learning rate."
        )
    return rows_ND / norms_N1


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
