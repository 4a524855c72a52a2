"""A training variant out of a data folder."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.variants import remove_variant as remove
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import recipe_of


def remove_variant(name: str, data: str | Path = "data", *, recipe: str | Recipe = "sandbox") -> list[Path]:
    """Removes the definition of a variant, and nothing else; returns the folders of its artifacts, which stay.

    A variant of the same name and settings finds them fresh again. Raises SettingsError where there is no such variant, and for the
    recipe's own.
    """
    with Workspace(data, recipe_of(recipe)) as workspace:
        return [artifact.folder for artifact in remove(workspace, name)]
