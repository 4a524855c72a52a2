"""open_clip's text encoder on segments of a text, as `text_pooling.py` describes them: words of bytes, or stretches of tokens.

    f = 16 · sum over taps k of table_k[byte_{t+k}] a convolution over the bytes themselves, which looks up rows instead of multiplying
    a = GELU(f)                                     (B, L, D)
    z = W · mean{a of a segment} + position         (B, S, D)
    the layers, each segment seeing those before it and weighing as much as its tokens; the vector is that of the text's end

The start and the end of a text are segments of their own, so a text is read as CLIP reads it, from left to right and at its end: what lies behind
the end changes nothing, and rows of a batch may be filled up. With after_layer above 0 the first layers see all tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.models.attention import attend
from clip_pipeline.models.pooled_image_encoder import image_pooling_understood
from clip_pipeline.models.text_features import block_at
from clip_pipeline.models.text_pooling import TextPooling, text_pooling_of
from clip_pipeline.models.token_pooling import KEY, NONE
from clip_pipeline.pooling.budget import ranked_boundaries, router_logits
from clip_pipeline.pooling.predictors import FIXED, ROUTER, WHITESPACE, make_predictor
from clip_pipeline.pooling.segments import NO_SEGMENT, own_segments, rounded_up, segment_means, size_bias, within_budget
from clip_pipeline.text.byte_tokenizer import SPACE_ID

if TYPE_CHECKING:
    import torch

TOKEN_STEP, SEGMENT_STEP = 8, 4
"""Lengths are rounded up to multiples of these: every new shape costs oneDNN a primitive and the allocator a block."""
TABLE_SPREAD, TABLE_SCALE = 0.02, 16.0
"""Tables begin as open_clip's table of tokens does, so that a step of the optimizer moves them as far; what they sum up to has to reach where GELU
bends."""
OUT_SHARE = 0.1
"""Of a projection's usual spread at the start: segments then begin near the size of CLIP's token vectors."""


def pool_text(encoder: Any, pooling: TextPooling) -> None:
    """Lets a text encoder of open_clip read segments from now on, in place. Its own new weights come from torch's global generator."""
    import torch

    classes = _classes()
    with torch.random.fork_rng(devices=[]):  # the weights that are drawn after it are those of the plain model
        encoder.token_pooling = classes["TextReducer"](encoder.width, encoder.vocab_size, pooling)
    encoder.__class__ = classes["PooledTextTransformer"]


def text_pooling_of_model(model: Any) -> TextPooling | None:
    """How the text encoder of a model pools its tokens; None for one that does not."""
    reducer = getattr(getattr(model, "text", None), KEY, None)
    return None if reducer is None else reducer.pooling


@contextlib.contextmanager
def text_pooling_understood() -> Iterator[None]:
    """In it open_clip builds models whose text_cfg has `token_pooling`; see `token_pooling_understood`."""
    import open_clip.model as module

    plain = module._build_text_tower

    def build(embed_dim: int, text_cfg: Any, *others: Any, **named: Any) -> Any:
        if not isinstance(text_cfg, dict) or KEY not in text_cfg:
            return plain(embed_dim, text_cfg, *others, **named)
        pooling = text_pooling_of(text_cfg, "text_cfg")
        known = {name: value for name, value in text_cfg.items() if name != KEY}
        encoder = plain(embed_dim, known, *others, **named)
        assert pooling is not None
        pool_text(encoder, pooling)
        return encoder

    module._build_text_tower = build
    try:
        yield
    finally:
        module._build_text_tower = plain


@contextlib.contextmanager
def token_pooling_understood() -> Iterator[None]:
    """In it open_clip builds models whose vision_cfg or text_cfg has `token_pooling`, by whatever name it is asked for them.

    To be called in `without_foreign_code`, in which models are loaded one after another: it changes functions of open_clip's and puts them back.
    """
    with image_pooling_understood(), text_pooling_understood():
        yield


@cache
def _classes() -> dict[str, Any]:
    """The modules, made here because torch is imported only where it is used."""
    import torch
    import torch.nn.functional as F
    from open_clip.transformer import TextTransformer
    from torch.utils.checkpoint import checkpoint

    class TextReducer(torch.nn.Module):
        """From tokens to vectors, and from those to segments."""

        def __init__(self, width: int, vocabulary: int, pooling: TextPooling):
            super().__init__()
            self.pooling = pooling
            self.described = repr(
                pooling
            )  # a plain attribute, by which exported graphs of equal weights are told apart
            if pooling.convolution:
                # the table of the byte itself is the encoder's token_embedding
                self.taps = torch.nn.Parameter(torch.empty(pooling.convolution - 1, vocabulary, width))
                torch.nn.init.normal_(self.taps, std=TABLE_SPREAD)
                self.out = torch.nn.Linear(width, width)
                torch.nn.init.normal_(self.out.weight, std=OUT_SHARE * width**-0.5)
                torch.nn.init.zeros_(self.out.bias)
            if pooling.kind == ROUTER:
                self.predictor: Any = make_predictor(ROUTER, width)

        def vectors(self, tokens_BL: torch.Tensor, table_VD: torch.Tensor) -> torch.Tensor:
            """(B, L, D): of each token; with a convolution of it and its neighbours, without the projection."""
            taps = self.pooling.convolution
            if not taps:
                return F.embedding(tokens_BL, table_VD)
            half, length, rows = taps // 2, tokens_BL.shape[1], len(table_VD)
            padded = F.pad(tokens_BL, (half, half))  # with padding, which has the id 0
            shifts = [0, *range(-half, 0), *range(1, half + 1)]
            seen_BLK = torch.stack([padded[:, half + shift : half + shift + length] for shift in shifts], dim=-1)
            seen_BLK = seen_BLK + rows * torch.arange(taps, device=tokens_BL.device)
            table = torch.cat([table_VD, self.taps.flatten(0, 1)]) * TABLE_SCALE
            if torch.onnx.is_in_onnx_export():
                return F.gelu(F.embedding(seen_BLK, table).sum(2))
            return F.gelu(F.embedding_bag(seen_BLK.flatten(0, 1), table, mode="sum").view(*tokens_BL.shape, -1))

        def projected(self, x_BLD: torch.Tensor) -> torch.Tensor:
            """What the layers see of the vectors, or of their means."""
            return self.out(x_BLD) if self.pooling.convolution else x_BLD

        def segments(
            self, x_BLD: torch.Tensor, tokens_BL: torch.Tensor, ends_B: torch.Tensor, most: int | None
        ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            """((B, S, D) means, (B, S) sizes, (B,) the segment of a text's end). most: S, None for as many as the longest text has."""
            hard_BL, factor_BL = self.closing(x_BLD, tokens_BL, ends_B)
            numbers_BL = own_segments(hard_BL)
            places_B = numbers_BL.gather(1, ends_B[:, None]).squeeze(1)
            places_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
            numbers_BL = numbers_BL.masked_fill(places_L > ends_B[:, None], NO_SEGMENT)
            if most is None:
                most = min(self.pooling.segments, rounded_up(int(places_B.max()) + 1, SEGMENT_STEP))
            if factor_BL is not None and torch.is_grad_enabled():
                x_BLD = x_BLD * factor_BL[..., None].to(x_BLD.dtype)
            means_BSD, sizes_BS = segment_means(x_BLD, numbers_BL, most)
            return means_BSD, sizes_BS, places_B

        def closing(
            self, x_BLD: torch.Tensor, tokens_BL: torch.Tensor, ends_B: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor | None]:
            """(B, L) whether each token closes its segment, and a factor of ones by which the loss reaches who decided."""
            pooling, ends_B1 = self.pooling, ends_B[:, None]
            places_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
            free_BL = (places_L > 0) & (places_L < ends_B1 - 1)
            forced_BL = (places_L == 0) | (places_L == ends_B1 - 1) | (places_L == ends_B1)
            if pooling.kind == WHITESPACE:
                spaces_BL = (tokens_BL == SPACE_ID) & free_BL
                # what is left after the last one is a segment, as are both ends
                return within_budget(spaces_BL, pooling.segments - 3) | forced_BL, None
            if pooling.kind == FIXED:
                return (places_L % int(pooling.target) == 0) & free_BL | forced_BL, None
            wanted_B = ((ends_B - 1).clamp(min=0) / pooling.target).ceil().long() - 1
            boundaries = ranked_boundaries(self.logits(x_BLD), free_BL, wanted_B)
            return boundaries.hard_BL | forced_BL, boundaries.factor_BL

        def logits(self, x_BLD: torch.Tensor) -> torch.Tensor:
            """(B, L) float32: how much each token is to close its segment. Not in an autocast: of bf16's logits many would be equal."""
            weight, device = self.predictor.keys.weight, x_BLD.device.type
            autocasts = torch.amp.is_autocast_available(device)  # the meta device has none
            with torch.autocast(device, enabled=False) if autocasts else contextlib.nullcontext():
                x_BLD = x_BLD.to(weight.dtype)
                return router_logits(self.predictor.queries(x_BLD), self.predictor.keys(x_BLD))

    class PooledTextTransformer(TextTransformer):
        """Made by `pool_text` of a plain one."""

        def forward(self, tokens_BL: Any) -> Any:
            reducer, pooling = self.token_pooling, self.token_pooling.pooling
            ends_B = self._ends(tokens_BL)
            # what is exported, and what is only counted, has one shape for all texts
            fixed_shape = torch.onnx.is_in_onnx_export() or tokens_BL.is_meta
            if not fixed_shape:
                tokens_BL = tokens_BL[:, : rounded_up(int(ends_B.max()) + 1, TOKEN_STEP)]
            x_BLD = reducer.vectors(tokens_BL, self.token_embedding.weight)
            blocks, after = list(self.transformer.resblocks), pooling.after_layer
            if pooling.kind == NONE or after:
                x_BLD = reducer.projected(x_BLD) + self.positional_embedding[: tokens_BL.shape[1]]
                whole_BL = torch.arange(tokens_BL.shape[1], device=tokens_BL.device) <= ends_B[:, None]
                if pooling.kind == NONE:
                    return self._through(blocks, x_BLD, whole_BL, ends_B)
                bias = self._bias(whole_BL)
                for block in blocks[:after]:
                    x_BLD = self._block(block, x_BLD, bias)
            most = pooling.segments if fixed_shape else None
            x_BSD, sizes_BS, places_B = reducer.segments(x_BLD, tokens_BL, ends_B, most)
            if not after:
                x_BSD = reducer.projected(x_BSD) + self.positional_embedding[: x_BSD.shape[1]]
            return self._through(blocks[after:], x_BSD, sizes_BS, places_B)

        def _ends(self, tokens_BL: Any) -> Any:
            """(B,) place of each text's end."""
            if self.pool_type == "argmax":
                return tokens_BL.argmax(dim=-1)
            return (tokens_BL == self.eos_id).int().argmax(dim=-1)

        def _bias(self, sizes_BS: Any) -> Any:
            """(B, 1, S or 1, S) of the attention's scores: log of the sizes, and -inf for what is empty or lies ahead."""
            bias = size_bias(sizes_BS)
            length = sizes_BS.shape[1]
            return bias if self.attn_mask is None else bias + self.attn_mask[:length, :length]

        def _through(self, blocks: Any, x_BSD: Any, sizes_BS: Any, places_B: Any) -> Any:
            """(B, E): of the last block only the row of the text's end is computed, which sees all that is no padding."""
            *others, last = blocks
            bias = self._bias(sizes_BS) if others else None
            for block in others:
                x_BSD = self._block(block, x_BSD, bias)
            at_end = (last, x_BSD, places_B, size_bias(sizes_BS))
            again = self.transformer.grad_checkpointing
            row_BD = checkpoint(block_at, *at_end, use_reentrant=False) if again else block_at(*at_end)
            row_BD, projection = self.ln_final(row_BD), self.text_projection
            if projection is None:
                return row_BD
            return projection(row_BD) if isinstance(projection, torch.nn.Linear) else row_BD @ projection

        def _block(self, block: Any, x_BSD: Any, bias: Any) -> Any:
            if self.transformer.grad_checkpointing:
                return checkpoint(_with_bias, block, x_BSD, bias, use_reentrant=False)
            return _with_bias(block, x_BSD, bias)

        def forward_intermediates(self, *_: Any, **__: Any) -> Any:
            raise ModelError(
                "The layers of a text encoder that pools its tokens see segments, not tokens, so there is none of them to show."
            )

    def _with_bias(block: Any, x_BSD: Any, bias: Any) -> Any:
        x_BSD = x_BSD + block.ls_1(attend(block.attn, block.ln_1(x_BSD), bias))
        return x_BSD + block.ls_2(block.mlp(block.ln_2(x_BSD)))

    return {one.__name__: one for one in (TextReducer, PooledTextTransformer)}
