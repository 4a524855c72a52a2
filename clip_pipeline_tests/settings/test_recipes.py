"""The recipes."""

from __future__ import annotations

import dataclasses

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import recipe_of_text, settings_text, with_settings
from clip_pipeline.settings.recipes import RECIPES, find_recipe


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(SettingsError, match='no recipe "sandbocks". Did you mean "sandbox"?'):
        find_recipe("sandbocks")


def test_every_recipe_says_what_it_is_for():
    assert all(recipe.about and recipe.name == name for name, recipe in RECIPES.items())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_same_after_it_was_written_and_read(name):
    recipe = with_settings(RECIPES[name], ["training.learning_rate=0.1", "words.stop_words=none"])
    recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, learning_rate=0.1 + 0.2))
    assert recipe_of_text(settings_text(recipe)) == recipe
