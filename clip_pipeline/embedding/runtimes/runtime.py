"""What a runtime is, and where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clip_pipeline.machine.cores import usable_cores

if TYPE_CHECKING:
    import numpy as np
    import torch

REFERENCE = "torch_fp32"
"""The runtime whose vectors the others must agree with."""

AUTO = "auto"
"""Stands for the fastest that agrees."""


class Runtime(Protocol):
    """A image encoder that is ready to run."""

    name: str

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        """(N, D) float32 vectors, not of unit length, of (N, 3, S, S) float32 pixels as the model's preprocess gives them."""


@dataclass(frozen=True)
class Place:
    """Where a runtime runs. device: of `choose_device`. threads: for arithmetic, 0 is one a core. cache: the folder
    below which exported graphs are kept."""

    device: str
    threads: int
    cache: Path

    @property
    def thread_count(self) -> int:
        """The number itself: the cores that this process may use where `threads` is 0."""
        if self.threads:
            return self.threads
        return usable_cores()


def image_side(model: object) -> int:
    """Pixels of a side of the images that a model of open_clip's takes."""
    size = model.visual.image_size  # type: ignore[attr-defined]
    return int(size[0] if isinstance(size, (tuple, list)) else size)
