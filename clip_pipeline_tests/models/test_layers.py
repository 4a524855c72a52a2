"""The blocks of image encoders, found in ours, open_clip's and timm's."""

from __future__ import annotations

import copy

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.models.layers import encoder_layers
from clip_pipeline.models.registry import build_model, load_config

OURS = {
    "tiny_test": (1, "transformer.resblocks.0"),
    "laptop_vit": (6, "transformer.resblocks.5"),
    "vit_b_32_224": (12, "transformer.resblocks.11"),
    "sandbox_small": (4, "layer4.0"),
    "rn50_224": (16, "layer4.2"),
    "laptop_small": (4, "trunk.layer4.0"),
}
TIMM = {
    "vit_tiny_patch16_224": (12, "trunk.blocks.11"),
    "resnet18": (8, "trunk.layer4.1"),
    "convnext_atto": (12, "trunk.stages.3.blocks.1"),
    "swin_tiny_patch4_window7_224": (12, "trunk.layers.3.blocks.1"),
    "efficientnet_b0": (16, "trunk.blocks.6.0"),
}


def encoder(name: str, timm: bool = False):
    """A image encoder without weights."""
    import torch

    config = copy.deepcopy(load_config("laptop_small" if timm else name))
    if timm:
        config["vision_cfg"] |= {"timm_model_name": name, "image_size": 224}
    with torch.device("meta"):
        return build_model(config).visual


@pytest.mark.slow
@pytest.mark.parametrize(("name", "timm"), [*((name, False) for name in OURS), *((name, True) for name in TIMM)])
def test_blocks_are_found_from_the_input_on(name, timm):
    visual = encoder(name, timm)
    layers = encoder_layers(visual)
    count, last = (TIMM if timm else OURS)[name]
    assert (len(layers.blocks), layers.blocks[-1]) == (count, last)
    numbers = [int(part) for part in layers.blocks[0].split(".") if part.isdigit()]
    assert numbers[-1] == 0
    assert set(layers.layer_of) == {name for name, _ in visual.named_parameters()}
    assert set(layers.layer_of.values()) == set(range(count + 2)), "stem, every block and tail have parameters"


def test_stem_and_tail_of_a_transformer():
    """`proj` is a parameter of the encoder itself, so it is listed first and used last."""
    layer_of = encoder_layers(encoder("vit_b_32_224")).layer_of
    assert {name for name, layer in layer_of.items() if layer == 0} == {
        *("class_embedding", "positional_embedding", "conv1.weight", "ln_pre.weight", "ln_pre.bias")
    }
    assert {name for name, layer in layer_of.items() if layer == 13} == {"proj", "ln_post.weight", "ln_post.bias"}


def test_what_lies_between_blocks_goes_with_the_block_after_it():
    layer_of = encoder_layers(encoder("convnext_atto", timm=True)).layer_of
    assert layer_of["trunk.stages.1.downsample.1.weight"] == layer_of["trunk.stages.1.blocks.0.norm.weight"] == 3


def test_a_encoder_without_blocks_says_which_methods_are_left():
    import torch

    plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
    with pytest.raises(ModelError, match="linear_probe, layer_norm, full"):
        encoder_layers(plain)
