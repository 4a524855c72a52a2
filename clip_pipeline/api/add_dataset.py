"""A benchmark dataset for a data folder, beside those of the recipe."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import recipe_of


def add_dataset(dataset: str, data: str | Path = "data", *, recipe: str | Recipe = "sandbox") -> str:
    """Defines a dataset, as the file `datasets/NAME.toml` of the data folder; `run` then scores every variant on it too. Returns
    its name.

    dataset: a name of the registry, NAME=PATH, or a path, as evaluation.datasets takes them. Raises DatasetError where nothing is
    at the path, SettingsError for a name that means another dataset already.
    """
    from clip_pipeline.evaluation.datasets.added import define_dataset

    with Workspace(data, recipe_of(recipe)) as workspace:
        return define_dataset(workspace.store.root, workspace.recipe.evaluation.datasets, dataset).name
