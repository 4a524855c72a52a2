"""Pixels as the encoder hands them to a runtime, kept in a file, so that runtimes can be measured on them alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.errors import PhotosError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ReadyPixels:
    """ids: one a row. pixels_NCHW: float32 in a memory-mapped file, as the model's preprocess gives them."""

    ids: list[str]
    pixels_NCHW: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """Some rows, copied into memory."""
        import torch

        return torch.from_numpy(np.array(self.pixels_NCHW[start:stop]))


class _Recorder:
    """In the place of a runtime: keeps the pixels it is given."""

    name = "recorder"

    def __init__(self, path: Path, most: int):
        self.path, self._most, self._count = path, most, 0
        self.pixels: np.ndarray | None = None

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        if self.pixels is None:
            shape = (self._most, *pixels_NCHW.shape[1:])
            self.pixels = np.lib.format.open_memmap(self.path, mode="w+", dtype=np.float32, shape=shape)
        self.pixels[self._count : self._count + len(pixels_NCHW)] = pixels_NCHW.numpy()
        self._count += len(pixels_NCHW)
        return np.ones((len(pixels_NCHW), 1), np.float32)


def ready_pixels(
    model: Any, preprocess: Callable[[Any], torch.Tensor], images: Iterable[tuple[str, bytes]], most: int, path: Path
) -> ReadyPixels:
    """Decodes (id, file bytes) pairs as the encoder does, at most `most` of them, into the .npy file `path`.

    Raises PhotosError when no photo can be decoded.
    """
    from clip_pipeline.embedding.encode import embed_images

    recorder = _Recorder(path, most)
    ids = embed_images(model, preprocess, images, most, runtime=recorder).ids
    if recorder.pixels is None:
        raise PhotosError("None of the photos to measure with can be decoded. Expected image files.")
    recorder.pixels.flush()  # type: ignore[attr-defined]
    return ReadyPixels(ids, recorder.pixels[: len(ids)])
