"""A trained CLIP with what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def load(
    model: str | Path, device: str = "cpu"
) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor], Callable[..., torch.Tensor]]:
    """A trained CLIP with what belongs to it: (model, preprocess, tokenizer).

    model: a model folder in open_clip's format, as `train` writes it, or a name that open_clip knows, such
    as ViT-B-32/laion2b_s34b_b79k, ViT-B-32/epoch_10.pt or hf-hub:OWNER/NAME. device: cpu, cuda, mps or auto.
    preprocess: PIL image -> (3, size, size) float32 tensor. tokenizer: texts -> (N, length) int64 ids. The model has open_clip's
    `encode_image` and `encode_text`, which give (N, D). Raises ModelError when the folder is incomplete, or the
    weights are not here and cannot be downloaded, SettingsError for an unknown device.
    """
    from clip_pipeline.machine.device import choose_device
    from clip_pipeline.models.folder import open_model

    return open_model(model, choose_device(device))
