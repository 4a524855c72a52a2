"""The text tower that starts as the mean of its tokens."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.training.text_start import start_as_mean_of_tokens


def test_a_caption_starts_as_the_mean_of_its_words():
    torch.manual_seed(0)
    model = build_model(load_config("laptop_small")).eval()
    start_as_mean_of_tokens(model, "laptop_small")
    tokens = torch.tensor([[1, 9, 7, 30, 3999, 0, 0]])
    block = model.transformer.resblocks[0]
    with torch.no_grad():
        found = model.encode_text(F.pad(tokens, (0, 32 - tokens.shape[1])))
        rows = model.token_embedding(tokens[0, :5]) + model.positional_embedding[:5]
        width = rows.shape[1]
        values = F.linear(
            block.ln_1(rows), block.attn.in_proj_weight[2 * width :], block.attn.in_proj_bias[2 * width :]
        )
        end = rows[-1] + block.attn.out_proj(values.mean(0))
        expected = model.ln_final(end) @ model.text_projection
    assert torch.allclose(found[0], expected, atol=1e-5)


def test_the_tower_can_still_learn_where_to_look():
    torch.manual_seed(0)
    model = build_model(load_config("laptop_small"))
    start_as_mean_of_tokens(model, "laptop_small")
    model.encode_text(torch.randint(3, 3999, (4, 32)))[:, 0].sum().backward()
    block = model.transformer.resblocks[0]
    assert block.attn.in_proj_weight.grad[: block.attn.embed_dim].abs().max() > 0
    assert block.mlp.c_proj.weight.grad.abs().max() > 0


def test_another_kind_of_text_tower_is_refused():
    with pytest.raises(SettingsError, match="not open_clip's own transformer"):
        start_as_mean_of_tokens(torch.nn.Linear(2, 2), "some_model")
