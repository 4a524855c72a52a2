"""Low-rank matrices: what they compute, that nothing changes before training, and that merging changes nothing."""

from __future__ import annotations

import pytest

from clip_pipeline.adaptation.lora import add_lora, merge_lora, weights_for_lora
from clip_pipeline.models.registry import build_model, load_config


def encoder(name: str):
    import torch

    torch.manual_seed(0)
    return build_model(load_config(name)).visual.eval()


def filled(visual):
    """The same encoder with B no longer nought."""
    import torch

    with torch.no_grad():
        for name, parameter in visual.named_parameters():
            if name.endswith(".up"):
                parameter.normal_(std=0.1)
    return visual


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny_test", "sandbox_small", "laptop_small", "laptop_vit", "laptop_vit_pooled"])
def test_a_encoder_is_unchanged_at_first_learns_and_merges_to_the_same(name):
    import torch

    visual = encoder(name)
    side = load_config(name)["vision_cfg"]["image_size"]
    pixels, names = torch.randn(2, 3, side, side), set(visual.state_dict())
    with torch.no_grad():
        before = visual(pixels)
    learning = add_lora(visual, rank=2)
    assert learning and all(one.rsplit(".", 1)[1] in ("up", "down") for one in learning)
    with torch.no_grad():
        torch.testing.assert_close(visual(pixels), before)
    filled(visual)(pixels).sum().backward()
    gradients = {one for one, parameter in visual.named_parameters() if parameter.grad is not None}
    assert gradients == set(learning)
    with torch.no_grad():
        apart = visual(pixels)
        merge_lora(visual)
        torch.testing.assert_close(visual(pixels), apart)
    assert not torch.allclose(apart, before, rtol=1e-3, atol=1e-3)
    assert set(visual.state_dict()) == names, "the merged encoder is a plain one again"


def test_a_linear_layer_computes_hu_et_als_sum():
    """h = W x + B A x, with the two thin products done apart."""
    import torch

    torch.manual_seed(1)
    layer = torch.nn.Sequential(torch.nn.Linear(6, 5))
    weight, bias = layer[0].weight.detach().clone(), layer[0].bias.detach().clone()
    add_lora(layer, rank=3, scale=0.5)
    filled(layer)
    update = layer[0].parametrizations["weight"][0]
    x = torch.randn(4, 6)
    expected = x @ weight.T + bias + 0.5 * (x @ update.down.T) @ update.up.T
    torch.testing.assert_close(layer(x), expected)
    assert update.up.shape == (5, 3) and update.down.shape == (3, 6)


def test_a_convolution_is_a_thin_convolution_and_one_of_one_pixel():
    """B·A of a kernel as a matrix: first `rank` channels by the kernel's size, then 1 × 1 (as in microsoft/LoRA)."""
    import torch
    import torch.nn.functional as F

    torch.manual_seed(1)
    layer = torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3, padding=1, bias=False))
    weight = layer[0].weight.detach().clone()
    add_lora(layer, rank=2)
    filled(layer)
    update = layer[0].parametrizations["weight"][0]
    x = torch.randn(2, 4, 7, 7)
    thin = F.conv2d(x, update.down.view(2, 4, 3, 3), padding=1)
    torch.testing.assert_close(layer(x), F.conv2d(x, weight, padding=1) + F.conv2d(thin, update.up.view(6, 2, 1, 1)))


def test_attention_and_all_matrices_of_a_transformer_are_covered_and_depthwise_kernels_are_not():
    import torch

    kinds = {(type(module).__name__, name) for module, name in weights_for_lora(encoder("tiny_test"))}
    assert ("MultiheadAttention", "in_proj_weight") in kinds
    assert ("NonDynamicallyQuantizableLinear", "weight") in kinds
    assert not weights_for_lora(torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, groups=4)))
