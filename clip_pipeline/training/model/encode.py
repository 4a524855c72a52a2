"""Unit-length embeddings of images and captions, with a graph: the forward passes of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.models.text_features import PARTS, features_by_length

if TYPE_CHECKING:
    import torch


def encode_images(model: ClipModel, images_BCHW: torch.Tensor) -> torch.Tensor:
    """(B, D) float32 unit-length embeddings of normalised images."""
    import torch.nn.functional as F

    return F.normalize(model.encode_image(images_BCHW).float(), dim=-1)


def encode_captions(model: ClipModel, tokens_BL: torch.Tensor, parts: int = PARTS) -> torch.Tensor:
    """(B, D) float32 unit-length embeddings of token ids, as `model.encode_text` gives them.

    parts: of like length into which a batch is cut on a CPU, at most (`features_by_length`).
    """
    import torch.nn.functional as F

    return F.normalize(features_by_length(model, tokens_BL, parts).float(), dim=-1)
