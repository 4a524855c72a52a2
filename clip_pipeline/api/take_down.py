"""Photos out of everything that was built, for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from clip_pipeline.pipeline import takedown
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.takedown import TakedownOutcome
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of


def take_down(
    names: Sequence[str],
    data: str | Path = "data",
    *,
    reason: str = "",
    shards: str | Path | None = None,
    recipe: str | Recipe = "sandbox",
    settings: Settings = (),
    on_done: Callable[[AssetOutcome], None] = lambda outcome: None,
) -> TakedownOutcome:
    """Removes photos from every artifact of a data folder, or from a folder of shards, and keeps them from coming back.

    names: ids, urls or sha256 of the files as they were downloaded; others with the same bytes go too. data: the data folder.
    shards: a folder that `download` wrote, instead of it. reason: kept with the record. recipe, settings: those of the run.
    on_done: called after each asset. Only shards that held a photo are written again, from what they hold: nothing is fetched.
    Raises InputError for a name that means no photo, StoreError for a data folder that is not there, PhotosError for a folder without shards, SettingsError when the data
    folder was made with other settings.
    """
    if shards is not None:
        from clip_pipeline.images.download.folder_takedown import take_down_from_shards

        found = take_down_from_shards(Path(shards).expanduser(), names, date.today().isoformat(), reason)
        return TakedownOutcome(found, [], ())
    with Workspace(data, recipe_of(recipe, settings)) as workspace:
        workspace.store.check_place(exists=True)
        return takedown.take_down(workspace, names, reason, on_done)
