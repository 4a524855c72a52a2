from __future__ import annotations

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import DEFAULTS, recipe_of
from clip_pipeline.settings.recipes import find_recipe


def test_a_recipe_is_a_name_a_value_or_the_default_of_every_setting():
    assert recipe_of("laptop") == find_recipe("laptop")
    assert recipe_of(find_recipe("laptop")) == find_recipe("laptop")
    assert recipe_of("") == DEFAULTS == Recipe()


def test_settings_are_a_mapping_or_what_set_takes_and_the_device_comes_last():
    mapped = recipe_of("tiny", {"training.epochs": 3, "training.flip": True, "probe.shots": ""})
    assert mapped == recipe_of("tiny", ["training.epochs=3", "training.flip=true", "probe.shots="])
    assert (mapped.training.epochs, mapped.training.flip, mapped.probe.shots) == (3, True, "")
    assert recipe_of("tiny", {"compute.device": "cuda"}).compute.device == "cuda"
    assert recipe_of("tiny", {"compute.device": "cuda"}, "cpu").compute.device == "cpu"


@pytest.mark.parametrize(
    ("recipe", "settings", "device", "sentence"),
    [
        ("tny", {}, None, 'Did you mean "tiny"'),
        ("", {"training.epoch": 3}, None, 'Did you mean "training.epochs"'),
        ("", {"training.epochs": "many"}, None, "expected a number"),
        ("", {}, "cuba", 'Did you mean "cuda"'),
    ],
)
def test_what_there_is_not_is_a_sentence(recipe, settings, device, sentence):
    with pytest.raises(SettingsError, match=sentence):
        recipe_of(recipe, settings, device)
