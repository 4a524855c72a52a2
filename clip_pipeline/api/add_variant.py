"""A new training variant in a data folder."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.variants import add_variant as define
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, assignments_of, recipe_of
from clip_pipeline.settings.variants import Variant


def add_variant(
    name: str,
    settings: Settings = (),
    data: str | Path = "data",
    *,
    about: str = "",
    recipe: str | Recipe = "sandbox",
) -> Variant:
    """Defines a training variant, as the file `variants/NAME.toml` of the data folder; `run` then trains and scores it beside
    the others.

    name: of letters, digits and _ . + - = , signs. settings: those of `training` that differ from the recipe's, such as
    {"training.epochs": 20}; none where the name is a model's, a plan's, or settings such as "epochs=20,seed=1". about: a sentence
    for people. Raises SettingsError for an unknown setting, a wrong value, a name that means something else already, and settings
    that are not of the training; ModelError for an unknown model.
    """
    with Workspace(data, recipe_of(recipe)) as workspace:
        return define(workspace, name, assignments_of(settings), about)
