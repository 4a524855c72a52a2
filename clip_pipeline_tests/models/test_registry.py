"""Model configurations in open_clip's format."""

from __future__ import annotations

import json

import pytest
import torch

from clip_pipeline.errors import ModelError
from clip_pipeline.models.registry import (
    build_model,
    context_length_of,
    image_size_of,
    list_models,
    load_config,
    with_tokenizer,
)
from clip_pipeline.models.torchvision_operators import define_missing_operators

# layers, width, heads, MLP width, patch: the reference's table
VISION = {
    "vit_b_32_224": (224, 12, 768, 12, 4096, 32),
    "vit_b_16_112": (112, 12, 768, 12, 3072, 16),
    "vit_s_16_112": (112, 8, 512, 8, 2048, 16),
    "vit_m_14_112": (112, 6, 256, 8, 512, 14),
    "vit_l_14_224": (224, 24, 1024, 16, 4096, 14),
}
TEXT = {
    "vit_s_16_112": (8, 512, 8, 1024),
    "vit_b_16_112": (12, 512, 8, 2048),
    "vit_l_14_224": (12, 768, 12, 3072),
}


def test_every_configuration_is_in_open_clips_format():
    define_missing_operators()
    import open_clip
    from open_clip.factory import _MODEL_CONFIGS
    from open_clip.model import CLIPTextCfg, CLIPVisionCfg

    from clip_pipeline.models.registry import CONFIG_FOLDER

    before = dict(_MODEL_CONFIGS)
    try:
        open_clip.add_model_config(CONFIG_FOLDER)
        assert set(list_models()) <= set(open_clip.list_models())
    finally:
        _MODEL_CONFIGS.clear()
        _MODEL_CONFIGS.update(before)
    for name in list_models():
        config = load_config(name)
        CLIPVisionCfg(**config["vision_cfg"])
        CLIPTextCfg(**config["text_cfg"])


@pytest.mark.parametrize("name", VISION)
def test_the_reference_models_have_the_reference_sizes(name):
    size, layers, width, heads, mlp, patch = VISION[name]
    config = load_config(name)
    with torch.device("meta"):
        vision = build_model(config).visual
    assert image_size_of(config) == size
    assert len(vision.transformer.resblocks) == layers
    assert vision.conv1.weight.shape == (width, 3, patch, patch)
    block = vision.transformer.resblocks[0]
    assert (block.attn.num_heads, block.mlp.c_fc.out_features) == (heads, mlp)


@pytest.mark.parametrize("name", TEXT)
def test_the_reference_text_towers_have_the_reference_sizes(name):
    layers, width, heads, mlp = TEXT[name]
    config = load_config(name)
    with torch.device("meta"):
        model = build_model(config, vocab_size=500)
    block = model.transformer.resblocks[0]
    assert len(model.transformer.resblocks) == layers
    assert model.token_embedding.weight.shape == (500, width)
    assert (block.attn.num_heads, block.mlp.c_fc.out_features) == (heads, mlp)
    assert context_length_of(config) == 32


def test_text_attention_is_softmax_over_the_earlier_tokens():
    """A reference normalised over the queries instead: its weights of one query did not sum to one."""
    torch.manual_seed(0)
    block = build_model(load_config("tiny_test")).transformer.resblocks[0]
    x = torch.randn(1, 5, 32)
    mask = torch.full((5, 5), -torch.inf).triu(1)
    _, weights = block.attn(x, x, x, attn_mask=mask, need_weights=True)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(1, 5))
    assert torch.equal(weights.triu(1), torch.zeros(1, 5, 5))


def test_with_tokenizer_fits_a_copy():
    config = load_config("tiny_test")
    fitted = with_tokenizer(config, 777, 0, 776)
    assert (fitted["text_cfg"]["vocab_size"], fitted["text_cfg"]["eos_id"]) == (777, 776)
    assert config["text_cfg"]["vocab_size"] != 777


def test_unknown_and_broken_configurations_get_a_sentence(tmp_path):
    with pytest.raises(ModelError, match='no model "vit_b_16". Did you mean "vit_'):
        load_config("vit_b_16")
    with pytest.raises(ModelError, match="does not exist"):
        load_config(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        load_config(tmp_path / "broken.json")
    (tmp_path / "part.json").write_text(json.dumps({"embed_dim": 8, "vision_cfg": {}}))
    with pytest.raises(ModelError, match="lacks text_cfg"):
        load_config(tmp_path / "part.json")
    config = load_config("tiny_test")
    config["vision_cfg"]["no_such_thing"] = 1
    with pytest.raises(ModelError, match="cannot build this model configuration"):
        build_model(config)
