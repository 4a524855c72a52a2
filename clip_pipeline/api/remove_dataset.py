"""An added benchmark dataset out of a data folder."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.leftovers import artifacts_of_dataset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import recipe_of


def remove_dataset(name: str, data: str | Path = "data", *, recipe: str | Recipe = "sandbox") -> list[Path]:
    """Removes the definition of a dataset that was added, and nothing else; returns the folders of its artifacts, which stay.

    Raises SettingsError where there is no such dataset, and for one of the recipe.
    """
    from clip_pipeline.evaluation.datasets.added import remove_definition

    with Workspace(data, recipe_of(recipe)) as workspace:
        remove_definition(workspace.store.root, workspace.recipe.evaluation.datasets, name)
        return [artifact.folder for artifact in artifacts_of_dataset(workspace.store, name)]
