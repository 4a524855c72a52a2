"""open_clip's ViT with fewer tokens from a layer on, as `token_pooling.py` describes it: every kind in one code, so that a comparison is of one thing.

The encoder is the one that open_clip built, with its modules and the names of its weights, so weights of a plain ViT fit; kinds that
learn have a boundary predictor besides. The class token stays apart. Where a token stands for several, attention counts it as so many.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from clip_pipeline.errors import ModelError
from clip_pipeline.models.attention import attend
from clip_pipeline.models.token_pooling import KEY, LEARNT, NONE, TOME, WINDOWS, TokenPooling, token_pooling_of
from clip_pipeline.pooling.budget import even_segments, exact_boundaries, router_logits, sampled_logits
from clip_pipeline.pooling.merging import merge_alike, window_means
from clip_pipeline.pooling.orders import grid_order
from clip_pipeline.pooling.predictors import GUMBEL, ROUTER, make_predictor
from clip_pipeline.pooling.segments import own_segments, segment_means, size_bias

MLP_SHARE = 4
"""The boundary MLP is so many times narrower than the encoder: it looks at every token once, as a twelfth of a layer would cost else."""


def pool_tokens(encoder: Any, pooling: TokenPooling) -> None:
    """Lets a plain ViT of open_clip pool its tokens from now on, in place. A boundary predictor's weights come from torch's global generator."""
    import torch

    classes = _classes()
    with torch.random.fork_rng(devices=[]):  # the weights that are drawn after it are those of the plain model
        encoder.token_pooling = classes["TokenReducer"](encoder.transformer.width, pooling)
    for block in encoder.transformer.resblocks:
        block.__class__ = classes["SizeAwareBlock"]
    encoder.__class__ = classes["PooledVisionTransformer"]


def pooling_of(model: Any) -> TokenPooling | None:
    """How the image encoder of a model pools its tokens; None for one that does not."""
    reducer = getattr(model.visual, KEY, None)
    return None if reducer is None else reducer.pooling


@contextlib.contextmanager
def image_pooling_understood() -> Iterator[None]:
    """In it open_clip builds models whose vision_cfg has `token_pooling`; see `token_pooling_understood`."""
    import open_clip.model as module

    plain = module._build_vision_tower

    def build(embed_dim: int, vision_cfg: Any, *others: Any, **named: Any) -> Any:
        if not isinstance(vision_cfg, dict) or KEY not in vision_cfg:
            return plain(embed_dim, vision_cfg, *others, **named)
        known = {name: value for name, value in vision_cfg.items() if name != KEY}
        encoder = plain(embed_dim, known, *others, **named)
        pooling = token_pooling_of(vision_cfg, encoder.image_size, "vision_cfg")
        assert pooling is not None
        pool_tokens(encoder, pooling)
        return encoder

    module._build_vision_tower = build
    try:
        yield
    finally:
        module._build_vision_tower = plain


@cache
def _classes() -> dict[str, Any]:
    """The modules, made here because torch is imported only where it is used."""
    import torch
    import torch.nn.functional as F
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
    from torch.utils.checkpoint import checkpoint

    class SizeAwareBlock(ResidualAttentionBlock):
        """A block whose mask may be a bias of each key, (B, 1, 1, L)."""

        def attention(self, q_x: Any, k_x: Any = None, v_x: Any = None, attn_mask: Any = None) -> Any:
            if attn_mask is None or attn_mask.ndim != 4:
                return super().attention(q_x, k_x, v_x, attn_mask)
            return attend(self.attn, q_x, attn_mask)

    class TokenReducer(torch.nn.Module):
        """Fewer tokens, and for how many each stands."""

        order_L: torch.Tensor
        even_L: torch.Tensor

        def __init__(self, width: int, pooling: TokenPooling):
            super().__init__()
            self.pooling = pooling
            self.described = repr(
                pooling
            )  # a plain attribute, by which exported graphs of equal weights are told apart
            if pooling.kind in LEARNT:
                self.predictor: Any = make_predictor(pooling.kind, width, inner=max(1, width // MLP_SHARE))
            order = torch.tensor(grid_order(pooling.order, pooling.rows, pooling.columns).tolist())
            self.register_buffer("order_L", order, persistent=False)
            even = even_segments(pooling.rows * pooling.columns, pooling.segments)
            self.register_buffer("even_L", even, persistent=False)

        def forward(self, x_BLD: Any, block: Any) -> tuple[Any, Any]:
            """(B, S, D) tokens of the grid's L and their sizes, (B, S). block: the next one, whose keys tome compares."""
            pooling = self.pooling
            if pooling.kind == WINDOWS:
                return window_means(x_BLD, pooling.rows, pooling.columns, pooling.side)
            if pooling.kind == TOME:
                ones_BL = torch.ones(x_BLD.shape[:2], dtype=torch.long, device=x_BLD.device)
                return merge_alike(x_BLD, ones_BL, _mean_keys(block, x_BLD), pooling.segments)
            x_BLD = x_BLD.index_select(1, self.order_L)
            if pooling.kind not in LEARNT:
                return segment_means(x_BLD, self.even_L.expand(x_BLD.shape[0], -1), pooling.segments)
            boundaries = exact_boundaries(self.logits(x_BLD), pooling.segments)
            factor_BL = boundaries.factor_BL
            if factor_BL is not None and torch.is_grad_enabled():
                x_BLD = x_BLD * factor_BL[..., None].to(x_BLD.dtype)
            return segment_means(x_BLD, own_segments(boundaries.hard_BL), pooling.segments)

        def logits(self, x_BLD: Any) -> Any:
            """(B, L) float32: how much each token, along the order, is to close its segment. In training gumbel's are a sample.

            Not in an autocast: of bf16's logits many would be equal, and the order among them is nobody's choice.
            """
            weight = next(self.predictor.parameters())
            device = x_BLD.device.type
            autocasts = torch.amp.is_autocast_available(device)  # the meta device has none
            with torch.autocast(device, enabled=False) if autocasts else contextlib.nullcontext():
                x_BLD = x_BLD.to(weight.dtype)
                if self.pooling.kind == ROUTER:
                    return router_logits(self.predictor.queries(x_BLD), self.predictor.keys(x_BLD))
                logits_BL = self.predictor.mlp(x_BLD).squeeze(-1).float()
            if self.pooling.kind == GUMBEL and self.training:
                return sampled_logits(logits_BL, torch.rand_like(logits_BL))
            return logits_BL

    class PooledVisionTransformer(VisionTransformer):
        """Made by `pool_tokens` of a plain one."""

        def forward(self, x: Any) -> Any:
            x_BLD = self._embeds(x)
            blocks, pooling = list(self.transformer.resblocks), self.token_pooling.pooling
            for block in blocks[: pooling.after_layer]:
                x_BLD = self._through(block, x_BLD)
            bias_B11S = None
            if pooling.kind != NONE:
                tokens_BSD, sizes_BS = self.token_pooling(x_BLD[:, 1:], blocks[pooling.after_layer])
                x_BLD = torch.cat([x_BLD[:, :1], tokens_BSD], dim=1)
                bias_B11S = size_bias(F.pad(sizes_BS, (1, 0), value=1))  # the class token stands for itself
            for block in blocks[pooling.after_layer :]:
                x_BLD = self._through(block, x_BLD, bias_B11S)
            pooled_BD, _ = self._pool(x_BLD)
            return pooled_BD @ self.proj

        def _through(self, block: Any, x_BLD: Any, bias_B11S: Any = None) -> Any:
            if self.transformer.grad_checkpointing:
                return checkpoint(block, x_BLD, None, None, bias_B11S, use_reentrant=False)
            return block(x_BLD, attn_mask=bias_B11S)

        def forward_intermediates(self, *_: Any, **__: Any) -> Any:
            raise ModelError(
                "The tokens of an image encoder that pools them make no grid, so there is none of its layers to show."
            )

    def _mean_keys(block: Any, x_BLD: Any) -> Any:
        """(B, L, D / heads): keys of a block's attention, the mean over its heads."""
        attention, width = block.attn, x_BLD.shape[-1]
        weight = attention.in_proj_weight[width : 2 * width].unflatten(0, (attention.num_heads, -1)).mean(0)
        bias = attention.in_proj_bias[width : 2 * width].unflatten(0, (attention.num_heads, -1)).mean(0)
        return F.linear(block.ln_1(x_BLD), weight, bias)

    made = (TokenReducer, SizeAwareBlock, PooledVisionTransformer)
    return {one.__name__: one for one in made}
