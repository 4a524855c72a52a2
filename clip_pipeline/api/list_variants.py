"""The training variants of a data folder."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.variants import VariantStatus, describe_variants
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of


def list_variants(
    recipe: str | Recipe = "sandbox", data: str | Path = "data", *, settings: Settings = ()
) -> list[VariantStatus]:
    """One entry a training variant, the recipe's own first: in which settings it differs from the recipe, and whether it is
    trained. A definition that is broken is an entry that says so, and so is a variant that only artifacts are left of. Builds nothing.

    recipe, data, settings: as for `run`. Raises SettingsError for unknown names.
    """
    with Workspace(data, recipe_of(recipe, settings)) as workspace:
        return describe_variants(workspace)
