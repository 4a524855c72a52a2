"""Going on from anybody's model: for each form that `embed` reads, a step that moves nothing gives the model back.

The vectors are those of open_clip alone, by its own `create_model_and_transforms`, before and after.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.folder import open_model
from clip_pipeline.models.form import form_of
from clip_pipeline.training.options import architecture_of
from clip_pipeline_tests.made.model_forms import CLIPS, FORMS, changed, safetensors, write_folder, write_word_tokenizer
from clip_pipeline_tests.training.conftest import SETTINGS, TinyData

STILL = dataclasses.replace(SETTINGS, steps=1, learning_rate=1e-9, weight_decay=0.0)
TEXTS = [
    "A photo of a RED square, number 7!",
    "blue paint",
    "the cup on the table",
    "an unknowable thing, and more words than fit",
    "",
]


def some_images() -> list[Image.Image]:
    generator = np.random.default_rng(0)
    shapes = ((30, 40, 3), (64, 37, 3), (50, 200, 3))
    return [Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes]


def open_clips_vectors(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(images, texts) as open_clip alone gives them. name: a folder, or ARCHITECTURE/FILE."""
    import open_clip

    architecture, _, file = name.partition("/") if not Path(name).is_dir() else (f"local-dir:{name}", "", None)
    model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=file or None)
    tokenizer = open_clip.get_tokenizer(architecture)
    model.eval()
    with torch.no_grad():
        images = torch.stack([preprocess(image) for image in some_images()])
        return model.encode_image(images, normalize=True), model.encode_text(tokenizer(TEXTS), normalize=True)


@pytest.mark.parametrize("form", FORMS)
def test_a_step_that_moves_nothing_gives_the_model_back(form, tiny_data: TinyData, tmp_path):
    name = FORMS[form](tmp_path / "theirs")
    tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=name), tokenizer_folder=tmp_path / "not looked at")
    before, after = open_clips_vectors(name), open_clips_vectors(str(tmp_path / "model"))
    for what, old, new in zip(("images", "texts"), before, after, strict=True):
        assert (old - new).abs().max() < 1e-4, what


def largest_differences(name: str, folder: Path) -> tuple[float, float]:
    """(of image vectors, of text vectors) between the model and the folder that a training wrote."""
    pairs = zip(open_clips_vectors(name), open_clips_vectors(str(folder)), strict=True)
    images, texts = (float((old - new).abs().max()) for old, new in pairs)
    return images, texts


@pytest.mark.parametrize("kind", ["starts_as_mean", "stays_mean"])
def test_no_recipe_makes_a_trained_text_encoder_a_mean_again(kind, tiny_data: TinyData, tmp_path, caplog):
    name = FORMS["safetensors without a tokenizer"](tmp_path / "theirs")
    tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=name, text_encoder=kind))
    assert max(largest_differences(name, tmp_path / "model")) < 1e-4
    assert f"training.text_encoder={kind} is for random weights: the text encoder of {name} is trained" in caplog.text


def test_a_model_that_is_a_mean_of_words_stays_one_while_it_goes_on(tiny_data: TinyData, tmp_path, caplog):
    mean = dataclasses.replace(SETTINGS, steps=2, text_encoder="stays_mean")
    tiny_data.train(tmp_path / "a", mean)
    tiny_data.train(tmp_path / "b", dataclasses.replace(mean, init_from=str(tmp_path / "a/model")))
    assert "is for random weights" not in caplog.text
    before, after = (load_file(tmp_path / root / "model/open_clip_model.safetensors") for root in "ab")
    assert not torch.equal(before["token_embedding.weight"], after["token_embedding.weight"]), "it learns"
    model, _, tokenizer = open_model(tmp_path / "b/model")
    with torch.no_grad():
        one, other = model.encode_text(tokenizer(["red paint square", "square red paint"]), normalize=True)
    assert torch.allclose(one, other, atol=1e-5), "the order of the words tells nothing"


@pytest.mark.parametrize(("statistics", "moves"), [("auto", False), ("keep", False), ("update", True)])
def test_batch_norms_keep_their_statistics_unless_they_are_told_to_update(
    statistics, moves, tiny_data: TinyData, tmp_path
):
    name = FORMS["CLIP's ResNet"](tmp_path / "theirs")
    tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=name, batch_norms=statistics))
    before = load_file(Path(name) / "open_clip_model.safetensors")["visual.bn1.running_mean"]
    after = load_file(tmp_path / "model/open_clip_model.safetensors")["visual.bn1.running_mean"]
    assert torch.equal(before, after) != moves


def test_a_logit_scale_above_the_cap_stays_and_is_told(tiny_data: TinyData, tmp_path, caplog):
    name = FORMS["a logit scale above the cap"](tmp_path / "theirs")
    tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=name))
    assert float(load_file(tmp_path / "model/open_clip_model.safetensors")["logit_scale"]) == pytest.approx(
        5.5, abs=1e-5
    )
    assert "is 244.7, more than training.max_logit_scale, 100: it is capped at its own value" in caplog.text


def test_the_bias_of_a_sigmoid_model_is_kept_or_its_loss_is_told(tiny_data: TinyData, tmp_path, caplog):
    config = changed(custom_text=True, init_logit_bias=-10)
    theirs = write_folder(tmp_path / "theirs", config, CLIPS, safetensors, logit_bias=-12.9)
    going_on = dataclasses.replace(STILL, init_from=str(theirs))
    tiny_data.train(tmp_path / "sigmoid", dataclasses.replace(going_on, loss="sigmoid"))
    assert "has a bias" not in caplog.text
    weights = load_file(tmp_path / "sigmoid/model/open_clip_model.safetensors")
    assert float(weights["logit_bias"]) == pytest.approx(-12.9, abs=1e-5)
    tiny_data.train(tmp_path / "softmax", going_on)
    assert (
        "was trained with the sigmoid loss and has a bias for it, which training.loss=softmax leaves out" in caplog.text
    )
    assert "logit_bias" not in load_file(tmp_path / "softmax/model/open_clip_model.safetensors")


def test_another_architecture_beside_it_is_told_and_its_own_is_not(tiny_data: TinyData, tmp_path):
    name = FORMS["wider than high"](tmp_path / "theirs")
    other = tiny_data.train(tmp_path / "other", dataclasses.replace(STILL, init_from=name))
    assert any("training.model, tiny_test, has no part in it" in said for said in other["warnings"])
    same = tiny_data.train(tmp_path / "same", dataclasses.replace(STILL, model=name, init_from=name))
    assert not any("has no part in it" in said for said in same["warnings"])


def test_weights_named_as_an_architecture_are_refused():
    with pytest.raises(SettingsError, match="names weights; .* Set training.init_from to ViT-B-32/openai to go on"):
        architecture_of(dataclasses.replace(SETTINGS, model="ViT-B-32/openai"))
    assert architecture_of(dataclasses.replace(SETTINGS, model="ViT-B-32"))["embed_dim"] == 512


def test_words_left_out_do_not_end_a_caption_that_is_filled_up_with_its_end(tiny_data: TinyData, tmp_path):
    from clip_pipeline.text.own_tokenizer import OpenClipTokenizer

    form = form_of(FORMS["a tokenizer of AddedToken"](tmp_path / "theirs"))
    tokenizer = OpenClipTokenizer(form.open_tokenizer())
    assert tokenizer.pad_id == tokenizer.end_id == 49_407
    assert tokenizer.kept_ids[0] != tokenizer.end_id and {49_406, 49_407} <= set(tokenizer.kept_ids[1:])


def test_a_repository_whose_tokenizer_is_another_one_s_comes_back_as_a_whole_folder(
    tiny_data: TinyData, tmp_path, monkeypatch
):
    """As SigLIP's are published: the tokenizer is known by its name alone. All of it lies in the cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    text = {"vocab_size": 64, "hf_tokenizer_name": "someone/words", "tokenizer_kwargs": {"clean": "canonicalize"}}
    config = changed(text | {"pool_type": "last", "no_causal_mask": True}, custom_text=True)
    for name in ("tiny", "words"):
        snapshot = tmp_path / f"cache/models--someone--{name}/snapshots/{'0' * 40}"
        snapshot.mkdir(parents=True)
        (snapshot.parents[1] / "refs").mkdir()
        (snapshot.parents[1] / "refs/main").write_text("0" * 40)
        if name == "tiny":
            write_folder(snapshot, config, CLIPS, safetensors)
        else:
            write_word_tokenizer(snapshot, start="", end="</s>", pad="</s>")
            absent = snapshot.parents[1] / ".no_exist" / ("0" * 40)  # as the hub's client notes it
            absent.mkdir(parents=True)
            (absent / "config.json").touch()
    tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from="hf-hub:someone/tiny"))
    theirs, _, tokenizer = open_model("hf-hub:someone/tiny")
    shutil.rmtree(tmp_path / "cache")
    ours, _, own_tokenizer = open_model(tmp_path / "model")
    assert torch.equal(tokenizer(TEXTS), own_tokenizer(TEXTS))
    with torch.no_grad():
        assert torch.allclose(theirs.encode_text(tokenizer(TEXTS)), ours.encode_text(own_tokenizer(TEXTS)), atol=1e-4)


def test_an_encoder_of_timm_made_for_another_size_is_a_sentence(tiny_data: TinyData, tmp_path):
    vision = {"image_size": 64, "timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "linear"}
    folder = write_folder(tmp_path / "theirs", changed(vision=vision, custom_text=True), CLIPS, safetensors)
    for opened in (open_model, lambda name: tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=str(name)))):
        with pytest.raises(
            ModelError, match=r"timm takes no images of 64 × 64 .* made for 160 × 160: set image_size to that"
        ):
            opened(folder)


def test_a_coca_is_a_sentence(tiny_data: TinyData, tmp_path):
    folder = write_folder(tmp_path / "theirs", changed(), CLIPS, safetensors)
    described = json.loads((folder / "open_clip_config.json").read_text())
    described["model_cfg"]["multimodal_cfg"] = {"width": 16}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    with pytest.raises(ModelError, match="The model is a CoCa, which has a decoder of texts"):
        tiny_data.train(tmp_path, dataclasses.replace(STILL, init_from=str(folder)))
