"""No option of the training is idle: each changes what comes out, or how it comes about without changing it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clip_pipeline.errors import SettingsError, TrainingError
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training import options
from clip_pipeline.training import train as train_module
from clip_pipeline.training.options import odd_settings, schedule_of
from clip_pipeline.training.validation import ValidationSet
from clip_pipeline_tests.training.conftest import SETTINGS

BASE = dataclasses.replace(SETTINGS, steps=3)
# what makes an option effective, and the option's other value
CHANGES = {
    "vision_layers": ({}, 2),
    "vision_width": ({}, 48),
    "text_layers": ({}, 2),
    "text_width": ({}, 48),
    "embedding_size": ({}, 24),
    "context_length": ({}, 14),
    "model": ({}, "sandbox_small"),
    "epochs": ({"steps": 0, "epochs": 0.5}, 0.8),
    "samples": ({"steps": 0, "samples": 24}, 40),
    "steps": ({}, 4),
    "batch_size": ({}, 12),
    "repeat_captions": ({}, "free"),
    "loss": ({}, "sigmoid"),
    "text_encoder": ({}, "stays_mean"),
    "optimizer": ({}, "muon"),
    "muon_lr": ({"optimizer": "muon"}, 0.1),
    "muon_decay": ({"optimizer": "muon"}, 3.0),
    "learning_rate": ({}, 1e-3),
    "warmup_percent": ({"warmup_percent": 0}, 50),
    "warmup_steps": ({}, 2),
    "schedule": ({}, "constant"),
    "cooldown_percent": ({"schedule": "cooldown"}, 70),
    "final_lr_percent": ({}, 50),
    "weight_decay": ({}, 0.9),
    "beta_1": ({}, 0.8),
    "beta_2": ({}, 0.9),
    "epsilon": ({}, 1e-3),
    "grad_clip_norm": ({}, 0.01),
    "label_smoothing": ({}, 0.2),
    "temperature": ({}, 0.3),
    "max_logit_scale": ({}, 14.0),
    "patch_dropout": ({}, 0.5),
    "freeze": ({}, "text"),
    "freeze_norms": ({"freeze": "text"}, False),
    "crop_scale": ({}, 0.3),
    "flip": ({}, True),
    "color_jitter": ({}, 0.5),
    "grayscale_prob": ({}, 0.5),
    "random_erasing_prob": ({}, 0.7),
    "cached_image_size": ({"crop_scale": 0.3}, 20),
    "captions_per_photo": ({}, 2),
    "token_dropout": ({}, 0.5),
    "mixup_alpha": ({}, 0.5),
    "ema_decay": ({}, 0.5),
    "bag_of_words_loss": ({}, 1.0),
    "shuffle_captions": ({}, True),
    "precision": ({}, "bf16"),
    "seed": ({}, 3),
}
SAME_MODEL = {"chunk_size": 3, "gradient_checkpointing": True}
ELSEWHERE = {
    "plan": "test_plans",
    "init_from": "model/test_initial_model",
    "batch_norms": "test_any_model",
    "compile": "model/test_initial_model, where it is asked of both encoders",
    "export_weights": "below",
}


@pytest.fixture(scope="module")
def weights_of(tiny_data, tmp_path_factory):
    """The weights after a training with changed settings; each training is done once."""
    done: dict[str, dict[str, torch.Tensor]] = {}

    def train(**changes) -> dict[str, torch.Tensor]:
        name = repr(sorted(changes.items()))
        if name not in done:
            root: Path = tmp_path_factory.mktemp("options")
            tiny_data.train(root, dataclasses.replace(BASE, **changes))
            done[name] = load_file(root / "model" / "open_clip_model.safetensors")
        return done[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "plot_log", lambda *arguments: None)  # most of the time of so short a training
        yield train


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_every_option_of_the_training_is_looked_at():
    options = {field.name for field in dataclasses.fields(TrainingSettings) if not field.metadata["speed"]}
    assert options == set(CHANGES) | set(SAME_MODEL) | set(ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize("option", CHANGES)
def test_an_option_reaches_the_model(weights_of, option):
    around, value = CHANGES[option]
    assert not are_equal(weights_of(**around), weights_of(**(around | {option: value})))


@pytest.mark.parametrize("option", SAME_MODEL)
def test_what_saves_memory_leaves_the_model_as_it_is(weights_of, option):
    plain, saving = weights_of(), weights_of(**{option: SAME_MODEL[option]})
    assert all(torch.allclose(plain[name], saving[name], atol=1e-4) for name in plain)


def test_the_best_weights_are_published_when_they_are_asked_for(weights_of, monkeypatch):
    constant = {"schedule": "constant", "warmup_percent": 0}
    losses = iter([3.0, 1.0, 2.0, 1.0])
    expected = weights_of(steps=2, **constant)
    monkeypatch.setattr(ValidationSet, "loss", lambda *arguments: next(losses))
    assert are_equal(weights_of(steps=4, export_weights="best", **constant), expected)


def test_a_warmup_that_does_not_end_gets_a_sentence():
    """A peer's default of 10,000 warmup steps outlasts a small training, which then never reaches its rate."""
    with pytest.raises(
        TrainingError, match=r"warmup_steps is 2,000, but the training has only 65 steps.* Set it to 3 or"
    ):
        schedule_of(TrainingSettings(epochs=10, batch_size=8, warmup_steps=2000), 52)
    schedule_of(TrainingSettings(epochs=10, batch_size=8, warmup_steps=64), 52)


def test_two_lengths_at_once_get_a_sentence():
    with pytest.raises(SettingsError, match="training.steps is 5 and training.samples is 9"):
        schedule_of(TrainingSettings(steps=5, samples=9), 52)


def test_settings_that_do_not_go_together_are_named():
    odd = TrainingSettings(loss="sigmoid", label_smoothing=0.1, chunk_size=8, init_from="x")
    assert len(odd_settings(odd, has_batch_norms=True)) == 3
    assert odd_settings(TrainingSettings(chunk_size=8), has_batch_norms=False) == []
    assert odd_settings(TrainingSettings(chunk_size=256, batch_size=256), has_batch_norms=True) == []
    halved = TrainingSettings(chunk_size=128, batch_size=256)
    assert odd_settings(halved, has_batch_norms=True, processes=2) == []
    assert len(odd_settings(halved, has_batch_norms=True)) == 1


def test_only_the_door_of_a_training_sees_its_settings():
    """Below `train` and `options` a function takes the values that it needs."""
    package = Path(options.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "TrainingSettings" in path.read_text(encoding="utf-8")
    }
    assert found == {"train.py", "options.py"}
