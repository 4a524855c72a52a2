"""Sizes that the settings change, seen on the models that are built."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.registry import build_model, list_models, load_config
from clip_pipeline.models.sizes import Sizes, resized_config
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.training.options import architecture_of


def built(*assignments: str) -> torch.nn.Module:
    settings = with_settings(Recipe(), [f"training.{assignment}" for assignment in assignments]).training
    with torch.device("meta"):
        return build_model(architecture_of(settings))


@pytest.mark.parametrize("name", list_models())
def test_without_sizes_the_model_is_the_named_one(name):
    assert resized_config(load_config(name), name, Sizes()) == load_config(name)


def test_every_size_can_be_set_without_writing_a_file():
    model = built(
        "model=vit_s_16_112", "vision_layers=3", "vision_width=192", "text_layers=2", "text_width=128",
        "embedding_size=96", "context_length=20",
    )  # fmt: skip
    blocks = model.visual.transformer.resblocks
    assert len(blocks) == 3 and blocks[0].attn.embed_dim == 192
    assert blocks[0].attn.num_heads == 192 // 64 and blocks[0].mlp.c_fc.out_features == 4 * 192
    blocks = model.transformer.resblocks
    assert len(blocks) == 2 and blocks[0].attn.embed_dim == 128 and blocks[0].attn.num_heads == 2
    assert model.positional_embedding.shape == (20, 128)
    assert model.text_projection.shape == (128, 96) and model.visual.proj.shape == (192, 96)


def test_a_resnet_takes_a_width_and_no_number_of_layers():
    assert built("model=sandbox_small", "vision_width=32").visual.conv3.out_channels == 32
    with pytest.raises(SettingsError, match=r"vision_layers is 5, .* sandbox_small is a ResNet.* Set it to 0"):
        built("model=sandbox_small", "vision_layers=5")
    with pytest.raises(SettingsError, match=r"vision_width is 33, .* Set it to 32 or 34"):
        built("model=sandbox_small", "vision_width=33")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("vision_width=300", "heads of vit_s_16_112, 64 wide, do not divide. Set it to 256 or 320"),
        ("text_width=30", "heads of vit_s_16_112, 64 wide, do not divide. Set it to 64."),
        ("text_layers=-1", "training.text_layers is -1, the least that works is 0"),
    ],
)
def test_a_size_that_does_not_work_names_one_that_does(assignment, message):
    with pytest.raises(SettingsError, match=message):
        built("model=vit_s_16_112", assignment)


def test_a_encoder_of_another_library_keeps_its_sizes(tmp_path):
    config = load_config("tiny_test")
    config["vision_cfg"] = {"timm_model_name": "convnext_atto", "image_size": 64}
    (tmp_path / "atto.json").write_text(json.dumps(config))
    with pytest.raises(SettingsError, match="image encoder of .* is convnext_atto, whose sizes cannot be set"):
        built(f"model={tmp_path / 'atto.json'}", "vision_width=64")


def test_a_model_folder_names_its_own_configuration(tmp_path):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": load_config("tiny_test"), "more": 1}))
    assert load_config(tmp_path) == load_config("tiny_test")
    (tmp_path / "open_clip_config.json").unlink()
    with pytest.raises(ModelError, match="open_clip_config.json does not exist"):
        load_config(tmp_path)


def test_the_command_shows_a_model_at_the_sizes_that_are_set():
    sizes = ["--set", "training.model=tiny_test", "--set", "training.text_width=64"]
    result = CliRunner().invoke(commands, ["models", "--json", "tiny_test", *sizes])
    assert result.exit_code == 0, result.output
    plain, wide = json.loads(result.stdout)
    assert (plain["text_encoder"], wide["text_encoder"]) == ("1 × 32, 2 heads, MLP 64", "1 × 64, 4 heads, MLP 128")
    assert wide["parameters"] > plain["parameters"]
