from __future__ import annotations

import pytest

from clip_pipeline.api.models import list_models
from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.registry import CONFIG_FOLDER
from clip_pipeline.models.registry import list_models as names_of_models


def test_without_names_all_models_of_the_package_are_listed():
    assert [facts.name for facts in list_models()] == names_of_models()


def test_a_configuration_of_ones_own_is_counted_as_that_of_the_package(tmp_path):
    own = tmp_path / "mine.json"
    own.write_text((CONFIG_FOLDER / "tiny_test.json").read_text())
    known, counted = list_models(["tiny_test", own])
    assert counted.name == "mine"
    assert (counted.parameters, counted.image_gflops) == (known.parameters, known.image_gflops)


def test_settings_describe_the_model_at_their_sizes():
    (wide,) = list_models(settings={"training.model": "tiny_test", "training.text_layers": 2})
    (plain,) = list_models(["tiny_test"])
    assert wide.text_encoder.startswith("2 ×") and wide.parameters > plain.parameters


def test_unknown_ones_are_sentences():
    with pytest.raises(ModelError, match='Did you mean "tiny_test"'):
        list_models(["tiny"])
    with pytest.raises(SettingsError, match="text_layers"):
        list_models(settings={"training.text_layer": 2})
