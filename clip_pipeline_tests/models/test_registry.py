"""Model configurations in open_clip's format."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.models.registry import (
    build_model,
    list_models,
    load_config,
    with_tokenizer,
)
from clip_pipeline.models.torchvision_operators import define_missing_operators


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
        vision = dict(config["vision_cfg"])
        assert vision.pop("token_pooling", None) is None or "pooled" in name, (
            "open_clip refuses it, so the name says it"
        )
        CLIPVisionCfg(**vision)
        text = dict(config["text_cfg"])
        assert text.pop("token_pooling", None) is None or "bytes" in name
        CLIPTextCfg(**text)


def test_with_tokenizer_fits_a_copy():
    config = load_config("tiny_test")
    fitted = with_tokenizer(config, 777, 0, 776)
    assert (fitted["text_cfg"]["vocab_size"], fitted["text_cfg"]["eos_id"]) == (777, 776)
    assert config["text_cfg"]["vocab_size"] != 777


def test_a_text_is_pooled_at_its_end_wherever_the_end_token_stands_in_the_vocabulary():
    """BERT's separator is token 102: the highest id of a text is then some word."""
    config = load_config("tiny_test")
    assert with_tokenizer(config, 300, 0, 299)["text_cfg"]["pool_type"] == "argmax"
    fitted = with_tokenizer(config, 300, 0, 3)
    assert (fitted["text_cfg"]["pool_type"], fitted["text_cfg"]["eos_id"]) == ("eos", 3)


def test_a_tokenizer_for_longer_texts_than_the_model_sees_gets_a_sentence():
    with_tokenizer(load_config("tiny_test"), 300, 0, 299, 12)
    with pytest.raises(ModelError, match="made for texts of 77 tokens, the model sees 12"):
        with_tokenizer(load_config("tiny_test"), 300, 0, 299, 77)


def test_heads_that_do_not_divide_the_width_get_a_sentence():
    """The reference's L text encoder: twelve heads of a width of 512."""
    config = load_config("tiny_test")
    config["text_cfg"].update(width=512, heads=12)
    with pytest.raises(ModelError, match="cannot build this model configuration: embed_dim must be divisible"):
        build_model(config)


def test_a_text_encoder_of_transformers_starts_from_random_weights(tmp_path):
    """open_clip's own default is to download its weights; this folder, and a name without a network, has none."""
    from transformers import BertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertConfig(vocab_size=300, max_position_embeddings=12, **sizes).save_pretrained(tmp_path / "bert")
    config = load_config("tiny_test")
    encoders = {"hf_model_name": str(tmp_path / "bert"), "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}
    config["text_cfg"] = {"context_length": 12, "vocab_size": 300, **encoders}
    model = build_model(config)
    assert model.text.transformer.embeddings.word_embeddings.weight.shape == (300, 16)
    for tokens, padding in ((301, 0), (300, 7)):
        with pytest.raises(
            ModelError, match=rf"has 300 tokens and pads with 0, .* has {tokens} and pads with {padding}"
        ):
            build_model(with_tokenizer(config, tokens, padding, 5))
    config["text_cfg"]["hf_model_name"] = str(tmp_path / "none")
    with pytest.raises(ModelError, match="cannot build this model configuration"):
        build_model(config)


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


def test_another_tokenizer_takes_the_place_of_the_old_one_and_of_its_way_of_cleaning_texts():
    config = load_config("tiny_test")
    config["text_cfg"] |= {
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "tokenizer_mode": "clips",
        "pool_type": "last",
    }
    text = with_tokenizer(config, 300, 0, 299)["text_cfg"]
    assert "tokenizer_kwargs" not in text and "tokenizer_mode" not in text
    assert text["pool_type"] == "argmax" and text["hf_tokenizer_name"] == "."


def test_architectures_of_open_clip_are_known_by_name():
    assert load_config("ViT-B-16-SigLIP")["embed_dim"] == 768
    with pytest.raises(ModelError, match='There is no model "ViT-B-61". Did you mean "ViT-B-16'):
        load_config("ViT-B-61")
