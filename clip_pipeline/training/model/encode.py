"""Unit-length embeddings of images and captions, with a graph: the forward passes of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip_pipeline.models.registry import ClipModel

if TYPE_CHECKING:
    import torch


def encode_images(model: ClipModel, images_BCHW: torch.Tensor) -> torch.Tensor:
    """(B, D) float32 unit-length embeddings of normalised images."""
    import torch.nn.functional as F

    return F.normalize(model.encode_image(images_BCHW).float(), dim=-1)


def encode_captions(model: ClipModel, tokens_BL: torch.Tensor) -> torch.Tensor:
    """(B, D) float32 unit-length embeddings of token ids, as `model.encode_text` gives them.

    The columns behind the last end token are left out: no token looks to its right, so they change no feature, and
    the text encoder's time is proportional to the columns. Of the last block only the end token's row is computed, the only
    one that is looked at (`block_at`).
    """
    import torch
    import torch.nn.functional as F
    from open_clip.model import CLIP
    from open_clip.transformer import text_global_pool

    from clip_pipeline.models.eot_only_block import block_at, ends_of_captions, is_plain

    if type(model) is not CLIP or model.attn_mask is None:
        return F.normalize(model.encode_text(tokens_BL).float(), dim=-1)
    ends = ends_of_captions(model, tokens_BL)
    used = tokens_BL.shape[1] if ends is None else int(ends.max()) + 1
    tokens_BL = tokens_BL[:, :used]
    x = model.token_embedding(tokens_BL) + model.positional_embedding[:used]
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
    if projection is not None:
        x = projection(x) if isinstance(projection, torch.nn.Linear) else x @ projection
    return F.normalize(x.float(), dim=-1)
