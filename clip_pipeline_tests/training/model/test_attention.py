"""The light attention of the image encoder is torch's own, forward and backward."""

from __future__ import annotations

import pytest
import torch

from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline.training.model.attention import lighten_attention
from clip_pipeline.training.model.initial_model import InitialModel, make_model


def _gradients(model: torch.nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    model.encode_image(images).square().sum().backward()
    return {name: p.grad.clone() for name, p in model.visual.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("checkpointing", [False, True])
def test_features_and_gradients_are_those_of_open_clip(checkpointing):
    torch.manual_seed(0)
    model = build_model(load_config("tiny_test")).double()
    model.set_grad_checkpointing(checkpointing)
    images = torch.randn(3, 3, 16, 16, dtype=torch.float64)
    expected, expected_gradients = model.encode_image(images), _gradients(model, images)
    names = list(model.state_dict())
    assert lighten_attention(model) == 1
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model.encode_image(images), expected, rtol=1e-10, atol=1e-12)
    gradients = _gradients(model, images)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-8, atol=1e-10)


def test_what_is_masked_or_attends_to_others_is_left_to_torch():
    torch.manual_seed(0)
    model = build_model(load_config("tiny_test")).double().eval()
    attention = model.visual.transformer.resblocks[0].attn
    width = attention.embed_dim
    x, other = torch.randn(2, 5, width, dtype=torch.float64), torch.randn(2, 5, width, dtype=torch.float64)
    mask = torch.full((5, 5), float("-inf"), dtype=torch.float64).triu(1)
    expected = [attention(x, x, x, attn_mask=mask)[0], attention(x, other, other)[0], attention(x, x, x)[1]]
    lighten_attention(model)
    found = [attention(x, x, x, attn_mask=mask)[0], attention(x, other, other)[0], attention(x, x, x)[1]]
    for one, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(one, wanted)


@pytest.mark.slow
def test_only_a_training_on_a_cpu_that_is_not_compiled_takes_it():
    def lightened(model: torch.nn.Module) -> bool:
        return "forward" in vars(model.visual.transformer.resblocks[0].attn)

    config = load_config("tiny_test")
    assert lightened(make_model(config, InitialModel("tiny_test"), "cpu"))
    compiled = make_model(config, InitialModel("tiny_test", compile=True), "cpu")
    assert not lightened(compiled)
    assert not any("forward" in vars(module) for module in compiled.transformer.modules())


def test_a_convolutional_encoder_has_nothing_to_lighten():
    assert lighten_attention(build_model(load_config("sandbox_small"))) == 0
