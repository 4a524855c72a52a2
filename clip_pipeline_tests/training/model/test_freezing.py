"""An encoder whose weights stay as they are, and what of it rests while the other one learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clip_pipeline.training.model.freezing import training_mode
from clip_pipeline_tests.training.conftest import SETTINGS, TinyData
from clip_pipeline_tests.training.model.test_initial_model import model_of, weights_of


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["image", "text"])
def test_a_frozen_encoder_ends_as_it_began(tiny_data: TinyData, tmp_path, encoder):
    settings = dataclasses.replace(SETTINGS, epochs=2, freeze=encoder)
    tiny_data.train(tmp_path / "a", settings)
    tiny_data.train(tmp_path / "b", dataclasses.replace(settings, steps=1, learning_rate=1e-9))
    end, start = weights_of(tmp_path / "a"), weights_of(tmp_path / "b")
    still = {name for name in end if torch.allclose(end[name], start[name], atol=1e-7)}
    of_encoder = {name for name in end if name.startswith("visual.") == (encoder == "image")} - {"logit_scale"}
    assert of_encoder <= still
    assert len(still) < len(end) - 5, "the other encoder moved"


def test_the_norms_of_a_frozen_encoder_may_be_trained():
    model, _ = model_of(freeze="image", freeze_norms=False)
    trained = {name for name, p in model.named_parameters() if p.requires_grad and name.startswith("visual.")}
    assert trained and all(".ln_" in name for name in trained)


def test_a_frozen_encoders_statistics_and_dropout_rest():
    model, initial = model_of(model="sandbox_small", freeze="image")
    training_mode(model, initial.frozen)
    assert not any(module.training for module in model.visual.modules())
    assert model.transformer.training
    model, initial = model_of(model="sandbox_small", freeze="image", freeze_norms=False)
    training_mode(model, initial.frozen)
    assert model.visual.bn1.training
