"""Images as the model takes them: from bytes to normalised floats, on the device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def normalised_images(
    images: np.ndarray, mean: Sequence[float], std: Sequence[float], device: str = "cpu"
) -> torch.Tensor:
    """(B, 3, S, S) float32 on the device from (B, S, S, 3) uint8, as open_clip's ToTensor and Normalize do.

    Channels last in memory. To a GPU the images travel as bytes. On the processor each byte is looked up in a table of what
    those operations give for it: the same floats in a quarter of the time (0.13 ms for 224 pixels, one core, 2026-11-21).
    """
    import torch

    if device == "cpu":
        from clip_pipeline.pixels.normalise_kernel import look_up_pixels

        floats = np.empty(images.shape, np.float32)
        flat = np.ascontiguousarray(images).reshape(-1)
        look_up_pixels(flat, _normalised_bytes(tuple(mean), tuple(std)), floats.reshape(-1))
        return torch.from_numpy(floats).permute(0, 3, 1, 2)
    return _normalised(torch.from_numpy(images).to(device), mean, std).permute(0, 3, 1, 2)


def _normalised(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """pixels: uint8, colours last."""
    import torch

    floats = pixels.to(torch.float32).div_(255)
    return floats.sub_(torch.tensor(mean, device=pixels.device)).div_(torch.tensor(std, device=pixels.device))


@lru_cache(maxsize=4)
def _normalised_bytes(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """(3, 256) float32: every byte of each colour."""
    import torch

    grey = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 3)
    return np.ascontiguousarray(_normalised(grey, mean, std).T.numpy())
