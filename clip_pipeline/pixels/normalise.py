"""Images as a model takes them: from bytes to normalised floats."""

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
        from clip_pipeline.pixels.normalise_kernels import look_up_colors_last

        floats = np.empty(images.shape, np.float32)
        flat = np.ascontiguousarray(images).reshape(-1)
        look_up_colors_last(flat, _table_of_bytes(tuple(mean), tuple(std)), floats.reshape(-1))
        return torch.from_numpy(floats).permute(0, 3, 1, 2)
    return _normalised(torch.from_numpy(images).to(device), mean, std).permute(0, 3, 1, 2)


def normalised_channels_first(
    images: Sequence[np.ndarray], mean: Sequence[float], std: Sequence[float]
) -> torch.Tensor:
    """(N, 3, H, W) float32 of N images (H, W, 3) uint8 of one size: the same numbers, in memory as open_clip's `preprocess`
    leaves them, which is what runtimes other than torch take."""
    import torch

    from clip_pipeline.pixels.normalise_kernels import look_up_colors_first

    table_3C = _table_of_bytes(tuple(mean), tuple(std))
    pixels_N3HW = torch.empty((len(images), 3, *images[0].shape[:2]), dtype=torch.float32)
    for image, pixels in zip(images, pixels_N3HW.numpy(), strict=True):
        look_up_colors_first(np.ascontiguousarray(image), table_3C, pixels)
    return pixels_N3HW


def _normalised(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """pixels: uint8, colours last."""
    import torch

    floats = pixels.to(torch.float32).div_(255)
    return floats.sub_(torch.tensor(mean, device=pixels.device)).div_(torch.tensor(std, device=pixels.device))


@lru_cache(maxsize=4)
def _table_of_bytes(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """(3, 256) float32: what every byte of each colour becomes."""
    import torch

    gray = torch.arange(256, dtype=torch.uint8)[:, None].expand(256, 3)
    return np.ascontiguousarray(_normalised(gray, mean, std).T.numpy())
