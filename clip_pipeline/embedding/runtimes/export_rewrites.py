"""The image encoder with less to compute and the same vectors, while it is exported; the model is as it was afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@contextlib.contextmanager
def export_rewrites(model: Any) -> Iterator[None]:
    """Patches as matrix products, and the last block for the class token alone, where the encoder allows it."""
    with patches_by_product(model), eot_only_block_for_class_token(model):
        yield


@contextlib.contextmanager
def patches_by_product(model: Any) -> Iterator[None]:
    """Convolutions that do not overlap, as of a ViT's patches, are matrix products meanwhile: only those become int8. A
    ViT-B/32 in int8 is 3 % faster for it, at the same cosine to fp32 (2026-11-21)."""
    import torch

    class PatchProduct(torch.nn.Module):
        def __init__(self, convolution: torch.nn.Conv2d):
            super().__init__()
            self.kernel = convolution.kernel_size
            self.weight_KO: torch.Tensor
            self.register_buffer("weight_KO", convolution.weight.detach().flatten(1).t().contiguous())
            self.bias = convolution.bias

        def forward(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
            channels, height, width = pixels_NCHW.shape[1:]
            rows, columns = height // self.kernel[0], width // self.kernel[1]
            whole = pixels_NCHW[:, :, : rows * self.kernel[0], : columns * self.kernel[1]]
            cut = whole.reshape(-1, channels, rows, self.kernel[0], columns, self.kernel[1])
            patches_NPK = cut.permute(0, 2, 4, 1, 3, 5).reshape(
                -1, rows * columns, channels * self.kernel[0] * self.kernel[1]
            )
            product_NPO = patches_NPK @ self.weight_KO
            if self.bias is not None:
                product_NPO = product_NPO + self.bias
            return product_NPO.transpose(1, 2).reshape(-1, self.weight_KO.shape[1], rows, columns)

    found = [(name, part) for name, part in model.visual.named_modules() if _is_patch_convolution(part)]
    for name, part in found:
        model.visual.set_submodule(name, PatchProduct(part))
    try:
        yield
    finally:
        for name, part in found:
            model.visual.set_submodule(name, part)


def _is_patch_convolution(part: Any) -> bool:
    import torch

    return (
        isinstance(part, torch.nn.Conv2d)
        and part.kernel_size == part.stride
        and part.kernel_size[0] > 1
        and part.padding in (0, (0, 0), "valid")
        and part.dilation == (1, 1)
        and part.groups == 1
    )


@contextlib.contextmanager
def eot_only_block_for_class_token(model: Any) -> Iterator[None]:
    """The last block of an open_clip ViT gives the class token alone, the only one that is looked at.

    All others would go through its output projection and its MLP for nothing: of a ViT-B/32 a fifteenth of all products.
    """
    block = _block_before_class_token(model.visual)
    if block is None:
        yield
        return

    import torch.nn.functional as F

    attention, width = block.attn, block.attn.embed_dim
    heads = attention.num_heads
    # apart from one another and fixed, so that they become int8: a part cut from a matrix while the graph runs does not
    (query, others), (query_bias, others_bias) = (
        [part.detach().clone() for part in (packed[:width], packed[width:])]
        for packed in (attention.in_proj_weight, attention.in_proj_bias)
    )

    def of_class_token(x_NLD: torch.Tensor, attn_mask: torch.Tensor | None = None) -> torch.Tensor:
        normed_NLD = block.ln_1(x_NLD)
        q_N1D = F.linear(normed_NLD[:, :1], query, query_bias) * (width // heads) ** -0.5
        both = F.linear(normed_NLD, others, others_bias).unflatten(-1, (2, heads, -1))
        k_NHLd, v_NHLd = both.permute(2, 0, 3, 1, 4).unbind(0)
        scores_NH1L = q_N1D.unflatten(-1, (heads, -1)).transpose(1, 2) @ k_NHLd.transpose(-1, -2)
        if attn_mask is not None:  # the sizes of pooled tokens
            scores_NH1L = scores_NH1L + attn_mask
        attended_N1D = (scores_NH1L.softmax(-1) @ v_NHLd).transpose(1, 2).flatten(2)
        token_N1D = x_NLD[:, :1] + block.ls_1(attention.out_proj(attended_N1D))
        return token_N1D + block.ls_2(block.mlp(block.ln_2(token_N1D)))

    block.forward = of_class_token
    try:
        yield
    finally:
        del block.forward


def _block_before_class_token(encoder: Any) -> Any:
    """The last block of open_clip's own ViT whose vector is its class token's; None for any other encoder."""
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    if not isinstance(encoder, VisionTransformer) or encoder.pool_type != "tok" or encoder.attn_pool is not None:
        return None
    for last in encoder.transformer.resblocks[-1:]:
        packed = last.attn.in_proj_weight is not None and last.attn.in_proj_bias is not None
        if isinstance(last, ResidualAttentionBlock) and packed and encoder.transformer.batch_first:
            return last
    return None
