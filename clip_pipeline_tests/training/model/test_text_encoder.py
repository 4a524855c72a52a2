"""Text encoders that start as the mean of their tokens, or stay it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.training.model.text_encoder import prepare_text_encoder
from clip_pipeline.training.optim.optimizer import OptimizerOptions, make_optimizers

CAPTIONS = torch.tensor([[1, 9, 7, 30, 12, 44, 5, 80, 3999], [1, 8, 300, 12, 9, 71, 6, 31, 3999]])
CAPTIONS = F.pad(CAPTIONS, (0, 32 - CAPTIONS.shape[1]))


def test_a_caption_starts_as_the_mean_of_its_words():
    torch.manual_seed(0)
    model = build_model(load_config("laptop_small")).eval()
    prepare_text_encoder(model, "starts_as_mean", "laptop_small")
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


def test_the_encoder_can_still_learn_where_to_look():
    torch.manual_seed(0)
    model = build_model(load_config("laptop_small"))
    prepare_text_encoder(model, "starts_as_mean", "laptop_small")
    model.encode_text(torch.randint(3, 3999, (4, 32)))[:, 0].sum().backward()
    block = model.transformer.resblocks[0]
    assert block.attn.in_proj_weight.grad[: block.attn.embed_dim].abs().max() > 0
    assert block.mlp.c_proj.weight.grad.abs().max() > 0


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_encoder_that_stays_the_mean_never_learns_the_order_of_words(optimizer):
    torch.manual_seed(0)
    model = build_model(load_config("laptop_small"))
    prepare_text_encoder(model, "stays_mean", "laptop_small")
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    for _ in range(3):
        optimizers = make_optimizers(model, OptimizerOptions(optimizer, weight_decay=0.2))
        F.normalize(model.encode_text(CAPTIONS), dim=-1).prod(1).sum().backward()
        for each in optimizers:
            each.step()
    turned = CAPTIONS.clone()
    turned[:, 1:8] = CAPTIONS[:, 1:8].flip(1)
    with torch.no_grad():
        assert torch.allclose(model.encode_text(CAPTIONS), model.encode_text(turned), atol=1e-5)
    after = model.state_dict()
    assert not torch.equal(after["token_embedding.weight"], before["token_embedding.weight"])
    packed = "transformer.resblocks.0.attn.in_proj_weight"
    assert not torch.equal(after[packed][512:], before[packed][512:])
    assert not after[packed][:256].any() and not after["positional_embedding"].any()


def test_one_that_may_learn_it_does():
    torch.manual_seed(0)
    model = build_model(load_config("laptop_small"))
    prepare_text_encoder(model, "starts_as_mean", "laptop_small")
    (optimizer,) = make_optimizers(model, OptimizerOptions())
    for _ in range(3):
        optimizer.zero_grad()
        model.encode_text(CAPTIONS)[:, 0].sum().backward()
        optimizer.step()
    turned = CAPTIONS.clone()
    turned[:, 1:8] = CAPTIONS[:, 1:8].flip(1)
    with torch.no_grad():
        assert not torch.allclose(model.encode_text(CAPTIONS), model.encode_text(turned), atol=1e-5)


def test_another_kind_of_text_encoder_is_refused():
    with pytest.raises(SettingsError, match="not open_clip's own transformer"):
        prepare_text_encoder(torch.nn.Linear(2, 2), "starts_as_mean", "some_model")
