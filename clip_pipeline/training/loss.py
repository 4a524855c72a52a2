"""The contrastive loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.errors import ShapeError

if TYPE_CHECKING:
    import torch


def clip_loss(
    image_ND: torch.Tensor, text_ND: torch.Tensor, logit_scale: torch.Tensor | float, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Symmetric InfoNCE over matching rows (Radford et al. 2021, figure 3).

    image_ND, text_ND: unit-length embeddings, (N pairs, D dimensions).
    logit_scale: positive multiplier, 1/temperature. label_smoothing: share of each target spread over all N rows, 0..1.
    Returns the mean loss in nats; guessing gives ln N. Raises ShapeError when the batches differ in shape.
    """
    import torch
    import torch.nn.functional as F

    if image_ND.shape != text_ND.shape:
        raise ShapeError(
            f"The picture embeddings are {tuple(image_ND.shape)}, the caption embeddings {tuple(text_ND.shape)}. "
            "Expected one row a pair and the same width."
        )
    logits_NN = logit_scale * image_ND @ text_ND.T
    target_N = torch.arange(len(logits_NN), device=logits_NN.device)
    over_captions = F.cross_entropy(logits_NN, target_N, label_smoothing=label_smoothing)
    over_pictures = F.cross_entropy(logits_NN.T, target_N, label_smoothing=label_smoothing)
    return (over_captions + over_pictures) / 2
