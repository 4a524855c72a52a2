"""What a data folder holds, whether it is fresh, and why not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.status import ArtifactStatus, pipeline_status
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of


def status(
    recipe: str | Recipe = "sandbox",
    data: str | Path = "data",
    *,
    settings: Settings = (),
    variants: Sequence[str] = (),
) -> list[ArtifactStatus]:
    """One entry an artifact that exists or that the recipe would make, in the order of the flow. Builds nothing.

    recipe, data, settings, variants: as for `run`. Raises SettingsError for unknown names.
    """
    with Workspace(data, recipe_of(recipe, settings), variants=variants) as workspace:
        for name in variants:
            workspace.find_variant(name)
        return pipeline_status(workspace, list(STEPS.values()))
