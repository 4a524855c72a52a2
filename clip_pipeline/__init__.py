"""Words into a working CLIP, and into numbers one can trust.

    import clip_pipeline

    model, preprocess, tokenizer = clip_pipeline.load("data/training/clip_checkpoint/sandbox_small")
    scores = clip_pipeline.read_table("benchmark_report")

The folders, read downward, are the pipeline: sources, words, images, text, models, training, embedding, evaluation.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.storage.tables import read_table
from clip_pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

__all__ = ["__version__", "load", "read_table"]


def load(
    model_dir: str | Path, device: str = "cpu"
) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor], Callable[..., torch.Tensor]]:
    """A trained CLIP with what belongs to it: (model, preprocess, tokenizer).

    model_dir: a model folder in open_clip's format, as `clip-pipeline train` writes it, or a name that open_clip knows, such
    as ViT-B-32/laion2b_s34b_b79k, ViT-B-32/epoch_10.pt or hf-hub:OWNER/NAME. device: cpu, cuda, mps or auto.
    preprocess: PIL image -> (3, size, size) tensor. tokenizer: texts -> (N, length) ids. The model has open_clip's
    `encode_image` and `encode_text`. Raises ModelError when the folder is incomplete, or the
    weights are not here and cannot be downloaded.
    """
    from clip_pipeline.machine.device import choose_device
    from clip_pipeline.models.folder import open_model

    return open_model(model_dir, choose_device(device))
