"""The rivals of learned segments, for images: windows of 2 × 2, merging of alike tokens, and tokens that are dropped.

All take the tokens of a grid, row by row, and give fewer of them with how many each stands for; `size_bias` of segments.py weighs them in
attention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.errors import SettingsError, ShapeError
from clip_pipeline.pooling.segments import segment_means

if TYPE_CHECKING:
    import torch


def window_means(x_BLD: torch.Tensor, rows: int, columns: int, side: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Means of windows of side × side tokens, (B, L / side², D), row by row, and their sizes. Raises SettingsError where the grid is no multiple."""
    import torch

    batch, length, width = x_BLD.shape
    if length != rows * columns:
        raise ShapeError(f"There are {length} tokens for a grid of {rows} × {columns}.")
    if rows % side or columns % side:
        raise SettingsError(
            f"Windows of {side} × {side} tokens do not fit a grid of {rows} × {columns}. Take another image or patch size, or another kind of pooling."
        )
    windows = x_BLD.view(batch, rows // side, side, columns // side, side, width)
    means_BSD = windows.mean((2, 4)).flatten(1, 2)
    return means_BSD, torch.full(means_BSD.shape[:2], side * side, device=x_BLD.device)


def merge_alike(
    x_BLD: torch.Tensor, sizes_BL: torch.Tensor, features_BLD: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` tokens of each row, by merging the most alike, and how many first tokens each stands for.

    Every second token looks for the one most like it among the others; the likest pairs become their mean, weighted by size (the matching of Bolya et al.
    2023, arXiv 2210.09461, section 3). One round merges half of the tokens at most, so there are as many rounds as it takes.
    features_BLD: what is compared, by cosine, such as attention's keys. The order is that of the tokens which stay. Of equally alike pairs
    the first are merged. Raises ShapeError where there are not so many tokens.
    """
    length = x_BLD.shape[1]
    if not 1 <= count <= length:
        raise ShapeError(
            f"{count} tokens were asked for and there are {length}: merging makes no more of them. Ask for 1 to {length}."
        )
    while x_BLD.shape[1] > count:
        merged = min(x_BLD.shape[1] - count, x_BLD.shape[1] // 2)
        x_BLD, sizes_BL, features_BLD = _merge_once(x_BLD, sizes_BL, features_BLD, merged)
    return x_BLD, sizes_BL


def _merge_once(
    x_BLD: torch.Tensor, sizes_BL: torch.Tensor, features_BLD: torch.Tensor, merged: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One round: the `merged` likest of the odd tokens go into even ones."""
    import torch
    import torch.nn.functional as F

    length = x_BLD.shape[1]
    unit_BLD = F.normalize(features_BLD.float(), dim=-1)
    alike_BOE = unit_BLD[:, 1::2] @ unit_BLD[:, ::2].transpose(1, 2)
    best_BO, into_BO = alike_BOE.max(-1)
    if torch.onnx.is_in_onnx_export():  # whose largest are the first of equal ones
        likest_BM = best_BO.topk(merged, dim=-1).indices
    else:
        likest_BM = best_BO.sort(dim=-1, descending=True, stable=True).indices[:, :merged]
    goes_BL = torch.zeros_like(sizes_BL, dtype=torch.bool)
    goes_BL = goes_BL.scatter(1, 2 * likest_BM + 1, torch.ones_like(likest_BM, dtype=torch.bool))
    place_BL = (~goes_BL).long().cumsum(1) - 1  # where those that stay come to lie
    target_BM = place_BL.gather(1, 2 * into_BO.gather(1, likest_BM))
    segments_BL = place_BL.scatter(1, 2 * likest_BM + 1, target_BM)
    weights_BL1 = sizes_BL.to(x_BLD.dtype)[..., None]
    count = length - merged
    weighted_BSD, tokens_BS = segment_means(x_BLD * weights_BL1, segments_BL, count)
    features_BSD, _ = segment_means(features_BLD * weights_BL1.to(features_BLD.dtype), segments_BL, count)
    mean_size_BS1, _ = segment_means(weights_BL1, segments_BL, count)
    new_sizes_BS = torch.zeros_like(tokens_BS).scatter_add(1, segments_BL, sizes_BL.long())
    return weighted_BSD / mean_size_BS1, new_sizes_BS, features_BSD / mean_size_BS1.to(features_BLD.dtype)


def kept_at_random(uniform_BL: torch.Tensor, count: int) -> torch.Tensor:
    """(B, count) places of the tokens that stay when all others are dropped, in their order: those of the smallest random numbers.

    For training only (FLIP, Li et al. 2023, arXiv 2212.00794). Raises ShapeError where there are not so many tokens.
    """
    length = uniform_BL.shape[1]
    if not 1 <= count <= length:
        raise ShapeError(f"{count} tokens were to be kept and there are {length}. Keep 1 to {length}.")
    return uniform_BL.sort(dim=1, stable=True).indices[:, :count].sort(dim=1).values
