"""Which parameters each method lets learn, and at which rate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clip_pipeline.adaptation.methods import METHODS, MethodOptions, norm_parameters, parse_methods
from clip_pipeline.errors import SettingsError
from clip_pipeline_tests.models.test_layers import encoder

OPTIONS = MethodOptions(layer_decay=0.5, peft_lr_mult=7.0)


def rates(method: str, name: str = "vit_b_32_224", options: MethodOptions = OPTIONS):
    return METHODS[method].rates(encoder(name), options)


def test_the_rate_falls_by_layer_and_is_one_for_all_tensors_of_a_layer():
    """The published decay was multiplied on for every tensor: twelve times within one block."""
    found = rates("layer_decay")
    for block in range(12):
        of_block = {rate for name, rate in found.items() if name.startswith(f"transformer.resblocks.{block}.")}
        assert of_block == {0.5 ** (12 - block)}
    assert found["proj"] == found["ln_post.weight"] == 1.0
    assert found["conv1.weight"] == found["class_embedding"] == 0.5**13


def test_the_top_is_blocks_11_to_7_of_a_vit_b():
    found = rates("layer_decay_top")
    blocks = {int(name.split(".")[2]) for name in found if "resblocks" in name}
    assert blocks == {11, 10, 9, 8, 7}
    assert {name for name in found if "resblocks" not in name} == {"proj", "ln_post.weight", "ln_post.bias"}
    assert found["transformer.resblocks.7.ln_1.weight"] == 0.5**5


@pytest.mark.parametrize(("name", "count"), [("laptop_vit", 3), ("laptop_small", 2), ("rn50_224", 7), ("tiny_test", 1)])
def test_other_encoders_train_the_same_proportion_of_their_blocks(name, count):
    from clip_pipeline.models.layers import encoder_layers

    layers, found = encoder_layers(encoder(name)), rates("layer_decay_top", name)
    assert {layers.layer_of[parameter] for parameter in found} == set(range(layers.top - count, layers.top + 1))


def test_the_number_of_top_and_last_blocks_can_be_set():
    options = replace(OPTIONS, top_blocks=2, last_blocks=3)
    for method, blocks in (("layer_decay_top", {10, 11}), ("last_blocks", {9, 10, 11})):
        found = rates(method, options=options)
        assert {int(name.split(".")[2]) for name in found if "resblocks" in name} == blocks
    assert set(rates("last_blocks", options=options).values()) == {1.0}


@pytest.mark.parametrize("name", ["vit_b_32_224", "rn50_224", "laptop_small"])
def test_layer_norm_learns_scales_and_shifts_and_nothing_else(name):
    import torch

    visual = encoder(name)
    kinds = (torch.nn.LayerNorm, torch.nn.BatchNorm2d)
    expected = {
        f"{path}.{part}"
        for path, module in visual.named_modules()
        if isinstance(module, kinds)
        for part in ("weight", "bias")
    }
    assert set(norm_parameters(visual)) == expected
    assert set(METHODS["layer_norm"].rates(visual, OPTIONS).values()) == {7.0}


@pytest.mark.parametrize("method", ["full", "lp_then_ft", "wise_ft"])
def test_full_fine_tuning_learns_everything_at_one_rate(method):
    found = rates(method)
    assert set(found) == {name for name, _ in encoder("vit_b_32_224").named_parameters()}
    assert set(found.values()) == {1.0}


def test_methods_are_told_in_one_order_and_a_wrong_name_gets_the_nearest():
    assert parse_methods(" full, zero_shot") == ("zero_shot", "full")
    with pytest.raises(SettingsError, match='Did you mean "linear_probe"'):
        parse_methods("linear_prob")
    with pytest.raises(SettingsError, match="methods is empty"):
        parse_methods(",")
