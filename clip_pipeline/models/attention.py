"""Attention of an image encoder's tokens in few passes over memory, with a weight for each token where they are unlike.

torch's nn.MultiheadAttention copies queries, keys and values apart and then, without the fused kernel, scales both of them
and looks for rows that are masked whole; a bias for each key it takes only as a whole matrix for every head. None of that is needed
here. Weights, names and results are the same, up to the order of rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def attend(
    attention: torch.nn.MultiheadAttention, x_BLD: torch.Tensor, bias_B11L: torch.Tensor | None = None
) -> torch.Tensor:
    """softmax(q kᵀ / √d + bias) v of every token with every other, (B, L, D), the projections included.

    bias_B11L: added to the scores of each token as a key, such as `size_bias`.
    """
    import torch.nn.functional as F

    batch, length, width = x_BLD.shape
    heads = attention.num_heads
    packed = F.linear(x_BLD, attention.in_proj_weight, attention.in_proj_bias)
    q_BHLd, k_BHLd, v_BHLd = packed.view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind(0)
    scores_BHLL = q_BHLd * (width // heads) ** -0.5 @ k_BHLd.transpose(-1, -2)
    if bias_B11L is not None:
        scores_BHLL = scores_BHLL + bias_B11L.to(scores_BHLL.dtype)
    together = (scores_BHLL.softmax(-1) @ v_BHLd).transpose(1, 2).reshape(batch, length, width)
    return attention.out_proj(together)
