"""What the model is before its first step."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.folder import WEIGHTS_FILE, load_model_folder
from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.model.initial_model import make_model, with_loss
from clip_pipeline.training.options import initial_model_of
from clip_pipeline_tests.training.conftest import SETTINGS, TinyData

TINY = TrainingSettings(model="tiny_test")


def model_of(**changes):
    initial = initial_model_of(dataclasses.replace(TINY, **changes))
    return make_model(with_loss(load_config(initial.name), initial.loss), initial, "cpu"), initial


def weights_of(root) -> dict[str, torch.Tensor]:
    return load_file(root / "model" / WEIGHTS_FILE)


@pytest.mark.parametrize(
    ("changes", "temperature", "bias"),
    [
        ({}, 0.07, None),
        ({"temperature": 0.2}, 0.2, None),
        ({"loss": "sigmoid"}, 0.1, -10),
        ({"loss": "sigmoid", "temperature": 0.05}, 0.05, -10),
    ],
)
def test_temperature_and_bias_start_where_the_settings_say(changes, temperature, bias):
    model, _ = model_of(**changes)
    assert float(model.logit_scale.detach().exp()) == pytest.approx(1 / temperature, rel=1e-5)
    assert (None if model.logit_bias is None else model.logit_bias.item()) == bias


@pytest.mark.slow
def test_a_sigmoid_model_is_a_folder_that_open_clip_loads_with_its_bias(tiny_data: TinyData, tmp_path):
    tiny_data.train(tmp_path, dataclasses.replace(SETTINGS, loss="sigmoid", epochs=3))
    model, _, _ = load_model_folder(tmp_path / "model")
    assert model.logit_bias.item() == float(weights_of(tmp_path)["logit_bias"]) != -10


def test_patches_of_a_encoder_without_patches_cannot_be_left_out():
    with pytest.raises(
        SettingsError, match="patch_dropout is 0.5, but the image encoder of sandbox_small is no vision"
    ):
        model_of(model="sandbox_small", patch_dropout=0.5)


@pytest.mark.parametrize(("model", "helps"), [("sandbox_small", False), ("laptop_small", True), ("tiny_test", True)])
def test_a_encoder_that_keeps_its_activations_all_the_same_is_named(caplog, model, helps):
    model_of(model=model, gradient_checkpointing=True)
    assert ("helps the text encoder only" not in caplog.text) == helps


@pytest.mark.slow
def test_fine_tuning_goes_on_from_a_model_folder(tiny_data: TinyData, trained, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=1, learning_rate=1e-9, init_from=str(trained / "model"))
    summary = tiny_data.train(tmp_path, settings, tokenizer_folder=tmp_path / "not looked at")
    assert summary["steps"] == 1
    before, after = weights_of(trained), weights_of(tmp_path)
    assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in before)
    assert (tmp_path / "model" / "tokenizer.json").read_bytes() == (trained / "model" / "tokenizer.json").read_bytes()
    sigmoid = dataclasses.replace(settings, loss="sigmoid")
    tiny_data.train(tmp_path / "sigmoid", sigmoid)
    assert float(weights_of(tmp_path / "sigmoid")["logit_bias"]) == pytest.approx(-10)


@pytest.mark.slow
def test_a_folder_of_any_size_and_loss_is_gone_on_from_by_naming_it_as_the_model(tiny_data: TinyData, tmp_path):
    sizes = {"vision_width": 48, "text_layers": 2, "embedding_size": 24, "context_length": 14}
    tiny_data.train(tmp_path / "a", dataclasses.replace(SETTINGS, steps=2, loss="sigmoid", **sizes))
    folder = str(tmp_path / "a" / "model")
    for loss in ("sigmoid", "softmax"):
        settings = dataclasses.replace(SETTINGS, steps=1, learning_rate=1e-9, loss=loss, model=folder, init_from=folder)
        tiny_data.train(tmp_path / loss, settings)
        before, after = weights_of(tmp_path / "a"), weights_of(tmp_path / loss)
        assert after["visual.proj"].shape == (48, 24) and after["positional_embedding"].shape == (14, 32)
        assert ("logit_bias" in after) == (loss == "sigmoid")
        assert all(torch.allclose(before[name], after[name], atol=1e-5) for name in after)


def test_weights_that_do_not_fit_are_named_with_their_sizes(tiny_data: TinyData, trained, tmp_path):
    weights = weights_of(trained)
    weights["visual.proj"] = weights["visual.proj"][:, :7].contiguous()
    weights["visual.more"] = torch.zeros(1)
    del weights["ln_final.bias"]
    for path in (trained / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    save_file(weights, tmp_path / WEIGHTS_FILE)
    settings = dataclasses.replace(SETTINGS, init_from=str(tmp_path))
    with pytest.raises(
        ModelError,
        match=r"lacks ln_final.bias and has the unknown visual.more; visual.proj is 32×7 instead of 32×32\. ",
    ):
        tiny_data.train(tmp_path / "root", settings)
    with pytest.raises(ModelError, match="nowhere is no folder, and no model of open_clip"):
        tiny_data.train(tmp_path / "root", dataclasses.replace(SETTINGS, init_from=str(tmp_path / "nowhere")))


def test_a_tokenizer_with_more_tokens_than_the_weights_is_noticed(tiny_data: TinyData, trained, tmp_path):
    for path in (trained / "model").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = weights_of(trained)
    weights["token_embedding.weight"] = weights["token_embedding.weight"][:-9].contiguous()
    save_file(weights, tmp_path / WEIGHTS_FILE)
    with pytest.raises(ModelError, match=r"its weights have \d+ tokens, its configuration says \d+\. They belong"):
        tiny_data.train(tmp_path / "root", dataclasses.replace(SETTINGS, init_from=str(tmp_path)))


@pytest.mark.slow
def test_the_learned_temperature_stays_below_its_cap(tiny_data: TinyData, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=2, max_logit_scale=14.0)
    tiny_data.train(tmp_path, settings)
    assert float(weights_of(tmp_path)["logit_scale"]) <= math.log(14.0) + 1e-6


def test_compiling_is_asked_of_both_encoders_and_keeps_the_weights_names(monkeypatch):
    asked = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module, **options: asked.append((type(module).__name__, options))
    )
    model, _ = model_of(compile=True)
    assert asked == [("VisionTransformer", {}), ("Transformer", {"dynamic": True})]
    assert set(model.state_dict()) == set(model_of()[0].state_dict())
