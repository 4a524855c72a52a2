"""The contrastive losses: softmax over the batch (CLIP) and a yes or no for each pair (SigLIP)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_pipeline.errors import ShapeError
from clip_pipeline.models.registry import ClipModel

if TYPE_CHECKING:
    import torch

SIGMOID_TEMPERATURE, SIGMOID_BIAS = 0.1, -10.0
"""Zhai et al. 2023, section 3.2: the start at which most of the batch's wrong pairs cost next to nothing."""


@dataclass(frozen=True)
class Objective:
    """What is minimised. loss: softmax or sigmoid. label_smoothing: of the softmax, 0..1. bag_of_words: weight of the second
    loss (`bag_of_words_loss`), 0 without it."""

    loss: str = "softmax"
    label_smoothing: float = 0.0
    bag_of_words: float = 0.0


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

    _check_shapes(image_ND, text_ND)
    logits_NN = logit_scale * image_ND @ text_ND.T
    target_N = torch.arange(len(logits_NN), device=logits_NN.device)
    over_captions = F.cross_entropy(logits_NN, target_N, label_smoothing=label_smoothing)
    over_images = F.cross_entropy(logits_NN.T, target_N, label_smoothing=label_smoothing)
    return (over_captions + over_images) / 2


def sigmoid_loss(
    image_ND: torch.Tensor,
    text_ND: torch.Tensor,
    logit_scale: torch.Tensor | float,
    logit_bias: torch.Tensor | float,
) -> torch.Tensor:
    """Binary cross entropy of all N × N pairs (Zhai et al. 2023, algorithm 1), summed over a row, averaged over rows.

    image_ND, text_ND: unit-length embeddings. logit_bias: added to every logit. Returns nats a row.
    Raises ShapeError when the batches differ in shape.
    """
    import torch
    import torch.nn.functional as F

    _check_shapes(image_ND, text_ND)
    logits_NN = logit_scale * image_ND @ text_ND.T + logit_bias
    signs_NN = 2 * torch.eye(len(logits_NN), device=logits_NN.device, dtype=logits_NN.dtype) - 1
    return -F.logsigmoid(signs_NN * logits_NN).sum() / len(logits_NN)


def contrastive_loss(
    model: ClipModel,
    image_ND: torch.Tensor,
    text_ND: torch.Tensor,
    loss: str = "softmax",
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """The loss of that name (softmax or sigmoid) at the model's own scale and bias; see `clip_loss` and `sigmoid_loss`."""
    scale = model.logit_scale.exp()
    if loss == "sigmoid":
        return sigmoid_loss(image_ND, text_ND, scale, model.logit_bias)
    return clip_loss(image_ND, text_ND, scale, label_smoothing)


def guessing_loss(batch_size: int, loss: str = "softmax") -> float:
    """The loss, in nats, of a model that tells no pair from another: ln N, or N times the entropy of one in N."""
    if loss == "sigmoid":
        return math.log(batch_size) - (batch_size - 1) * math.log1p(-1 / batch_size)
    return math.log(batch_size)


def guessing_text(batch_size: int, loss: str = "softmax", digits: int = 3) -> str:
    """The level of guessing, such as `ln 64 = 4.159`."""
    formula = f"ln {batch_size}" if loss == "softmax" else f"the best bias for {batch_size}"
    return f"{formula} = {guessing_loss(batch_size, loss):.{digits}f}"


def _check_shapes(image_ND: torch.Tensor, text_ND: torch.Tensor) -> None:
    if image_ND.shape != text_ND.shape:
        raise ShapeError(
            f"The image embeddings are {tuple(image_ND.shape)}, the caption embeddings {tuple(text_ND.shape)}. "
            "Expected one row a pair and the same width."
        )
