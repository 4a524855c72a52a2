"""What the photo search of a vocabulary will cost."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of


def plan(
    recipe: str | Recipe = "sandbox", data: str | Path = "data", *, settings: Settings = ()
) -> list[tuple[str, str]]:
    """(name, value) of what the search for photos will cost: words, requests, budget, hours. Sends nothing.

    recipe, data, settings: as for `run`. Raises SettingsError for a source that is not searched.
    """
    from clip_pipeline.pipeline.photo_sources.link_plan import plan_rows
    from clip_pipeline.pipeline.photo_sources.registry import search_plan

    with Workspace(data, recipe_of(recipe, settings)) as workspace:
        return plan_rows(search_plan(workspace))
