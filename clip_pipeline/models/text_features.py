"""The vectors of texts, without what nobody looks at: the last block's other rows, and the padding.

A caption's embedding is that of its end token; all other rows of the last block are computed and thrown away. Left out, they
save four fifths of that block: of an encoder with one layer 4.7 times the arithmetic, of one with two 1.7 times (18 tokens).
Columns behind the last end are padding, and no token looks to its right. Texts of like length together have least of it: of 128 captions of
Flickr8k the longest is twice as long as the mean. Weights and results are the same, up to the order of rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PARTS = 4
"""Into so many parts of like length a batch is cut. docs/pooling.md has the times."""
MIN_ROWS = 32
"""Of a part: smaller ones cost more than their padding."""


def features_by_length(model: Any, tokens_BL: torch.Tensor, parts: int = PARTS) -> torch.Tensor:
    """(B, D): `text_features` of each row, computed among rows of like length on a CPU. parts: at most; small batches have fewer."""
    import torch

    count = min(parts, len(tokens_BL) // MIN_ROWS)
    if count < 2 or tokens_BL.device.type != "cpu":
        return text_features(model, tokens_BL)
    order_B = lengths_of(tokens_BL).argsort(stable=True)
    found = [text_features(model, tokens_BL[rows]) for rows in order_B.tensor_split(count)]
    return torch.cat(found)[order_B.argsort()]


def lengths_of(tokens_BL: torch.Tensor) -> torch.Tensor:
    """(B,) tokens of each row before those that are equal to its last one, with which it is filled up: an order of the rows, no more."""
    import torch

    places_L = torch.arange(1, tokens_BL.shape[1] + 1, device=tokens_BL.device)
    return torch.where(tokens_BL != tokens_BL[:, -1:], places_L, 0).amax(1)


def text_features(model: Any, tokens_BL: torch.Tensor) -> torch.Tensor:
    """(B, D): what `model.encode_text` gives for token ids, not of unit length.

    The columns behind the last end token are left out: no token looks to its right, so they change no feature, and
    the text encoder's time is proportional to the columns. Of the last block only the end token's row is computed, the only
    one that is looked at (`block_at`). Encoders that are not open_clip's own causal one are called as they are.
    """
    import torch
    from open_clip.model import CLIP
    from open_clip.transformer import text_global_pool

    if type(model) is not CLIP or model.attn_mask is None:
        return model.encode_text(tokens_BL)
    ends = ends_of_captions(model, tokens_BL)
    used = tokens_BL.shape[1] if ends is None else int(ends.max()) + 1
    tokens_BL = tokens_BL[:, :used]
    dtype = model.transformer.get_cast_dtype()
    x = model.token_embedding(tokens_BL).to(dtype) + model.positional_embedding[:used].to(dtype)
    mask = model.attn_mask[:used, :used]
    if ends is not None and is_plain(model.transformer):
        *others, last = model.transformer.resblocks
        for block in others:
            x = block(x, attn_mask=mask)
        x = model.ln_final(block_at(last, x, ends))
    else:
        x = model.transformer(x, attn_mask=mask)
        x = text_global_pool(model.ln_final(x), tokens_BL, model.text_pool_type, eos_token_id=model.text_eos_id)
    projection = model.text_projection
    if projection is None:
        return x
    return projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection


def ends_of_captions(model: Any, tokens_BL: torch.Tensor) -> torch.Tensor | None:
    """(B,) place of the token whose row is a caption's embedding, as open_clip's `text_global_pool` chooses it.

    None for a model that looks at something else.
    """
    if model.text_pool_type == "argmax":
        return tokens_BL.argmax(dim=-1)
    if model.text_pool_type == "eos":
        return (tokens_BL == model.text_eos_id).int().argmax(dim=-1)
    return None


def is_plain(transformer: Any) -> bool:
    """Whether its blocks can be called one by one: open_clip's own, neither compiled whole nor computed twice."""
    from open_clip.transformer import ResidualAttentionBlock

    blocks = getattr(transformer, "resblocks", ())
    return (
        bool(blocks)
        and all(type(block) is ResidualAttentionBlock for block in blocks)
        and transformer.batch_first
        and not transformer.grad_checkpointing
        and transformer._compiled_call_impl is None
    )


def block_at(
    block: Any, x_BLD: torch.Tensor, places_B: torch.Tensor, bias_B11L: torch.Tensor | None = None
) -> torch.Tensor:
    """(B, D): the rows `places_B` of what a causal block gives for x. Each attends to itself and what is to its left.

    bias_B11L: added to the scores of each token as a key, such as `size_bias`.
    """
    import torch
    import torch.nn.functional as F

    attention = block.attn
    batch, length, width = x_BLD.shape
    heads, rows = attention.num_heads, torch.arange(batch, device=x_BLD.device)
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    normed_BLD = block.ln_1(x_BLD)
    query_BD = F.linear(normed_BLD[rows, places_B], weight[:width], bias[:width]) * (width // heads) ** -0.5
    packed = F.linear(normed_BLD, weight[width:], bias[width:]).view(batch, length, 2, heads, width // heads)
    k_BHLd, v_BHLd = packed.permute(2, 0, 3, 1, 4).unbind(0)
    scores_BH1L = query_BD.view(batch, heads, 1, width // heads) @ k_BHLd.transpose(-1, -2)
    if bias_B11L is not None:
        scores_BH1L = scores_BH1L + bias_B11L.to(scores_BH1L.dtype)
    unseen_BL = torch.arange(length, device=x_BLD.device) > places_B[:, None]
    weights_BH1L = scores_BH1L.masked_fill(unseen_BL[:, None, None], float("-inf")).softmax(-1)
    attended_BD = (weights_BH1L @ v_BHLd).reshape(batch, width)
    row_BD = x_BLD[rows, places_B] + block.ls_1(attention.out_proj(attended_BD))
    return row_BD + block.ls_2(block.mlp(block.ln_2(row_BD)))
