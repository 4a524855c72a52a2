"""What is known of a model before its weights are read is what open_clip builds of it."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import open_model
from clip_pipeline.models.form import any_config, form_of, names_weights
from clip_pipeline.models.preprocessing import OF_OPEN_CLIP
from clip_pipeline.models.registry import check_config, load_config
from clip_pipeline.models.zoo import describe_model, zoo_table
from clip_pipeline_tests.made.model_forms import FORMS, changed

ODD = ("wider than high", "bilinear and filled", "bilinear with other colours", "a .pth without preprocess_cfg", "an epoch of open_clip_train")  # fmt: skip


def test_what_open_clip_does_where_nobody_says_otherwise():
    from open_clip.transform import PreprocessCfg

    theirs = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(PreprocessCfg()).items()}
    assert theirs == OF_OPEN_CLIP | {"size": 224}


@pytest.mark.parametrize("form", ODD)
def test_images_are_prepared_as_the_opened_model_says(form, tmp_path):
    name = FORMS[form](tmp_path / "theirs")
    model, _, _ = open_model(name)
    theirs = {
        key: list(value) if isinstance(value, tuple) else value for key, value in model.visual.preprocess_cfg.items()
    }
    assert form_of(name).preprocess == theirs
    assert names_weights(name) is False, "a folder, or an architecture that only this process knows"


def test_a_tag_of_open_clip_is_known_without_its_weights():
    siglip = form_of("ViT-B-16-SigLIP/webli")
    assert siglip.preprocess["mean"] == [0.5, 0.5, 0.5] and siglip.preprocess["resize_mode"] == "squash"
    assert siglip.config["text_cfg"]["hf_tokenizer_name"] and siglip.brings_tokenizer
    assert any_config("ViT-B-32/openai") == any_config("ViT-B-32") == load_config("ViT-B-32")
    assert names_weights("ViT-B-32/openai") and names_weights("hf-hub:a/b") and not names_weights("ViT-B-32")


def test_weights_of_another_activation_are_told_with_the_architecture_that_fits(caplog):
    with pytest.raises(ModelError):  # they are not here
        open_model("ViT-B-32/openai")
    assert "trained with QuickGELU, the architecture ViT-B-32 computes GELU" in caplog.text
    assert "Give ViT-B-32-quickgelu/openai" in caplog.text


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("form", ["wider than high", "SigLIP", "a text encoder of transformers"])
def test_a_model_of_any_form_is_measured(form, tmp_path):
    facts = describe_model(FORMS[form](tmp_path / "theirs"))
    assert facts.image_gflops > 0 and facts.text_gflops > 0
    if form == "wider than high":
        assert facts.image_size == (24, 40) and "| 24×40 |" in zoo_table([facts])


def test_tokens_beside_the_vectors_are_refused():
    with pytest.raises(ModelError, match="output_tokens of vision_cfg asks for tokens beside the vectors"):
        check_config(changed(vision={"output_tokens": True}), "It")


@pytest.mark.parametrize("size", [[16], "16", [16, 0], 0.5])
def test_a_size_that_is_none_is_a_sentence(size, tmp_path):
    with pytest.raises(ModelError, match="image_size of vision_cfg is .*expected pixels of a side, or"):
        describe_model("x", changed(vision={"image_size": size}))
