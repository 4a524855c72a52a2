"""The recipes."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings.recipes import RECIPES, find_recipe


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(SettingsError, match='no recipe "sandbocks". Did you mean "sandbox"?'):
        find_recipe("sandbocks")


def test_every_recipe_says_what_it_is_for():
    assert all(recipe.about and recipe.name == name for name, recipe in RECIPES.items())
