"""Photos out of everything that was built, for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from clip_pipeline.errors import InputError, PhotosError
from clip_pipeline.images.takedown import Found
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
    Raises InputError for a name that means no photo, PhotosError for a folder without shards, SettingsError when the data
    folder was made with other settings.
    """
    if shards is not None:
        return TakedownOutcome(_from_shards(Path(shards), names, reason), [], ())
    with Workspace(data, recipe_of(recipe, settings)) as workspace:
        return takedown.take_down(workspace, names, reason, on_done)


def _from_shards(folder: Path, names: Sequence[str], reason: str) -> Found:
    import pyarrow.parquet as pq

    from clip_pipeline.images.download.catalog import finished_shards, remove_photos
    from clip_pipeline.images.takedown import ATTEMPT_COLUMNS, TAKEDOWNS_FILE, add_takedowns, find_photos

    shards = finished_shards(folder)
    if not shards:
        raise PhotosError(f"{folder} holds no shards that clip-pipeline download wrote. Give the folder of 00000.tar.")
    tables = [pq.read_table(folder / f"{shard}.parquet", columns=ATTEMPT_COLUMNS) for shard in shards]
    found = find_photos(tables, names, date.today().isoformat(), reason)
    if found.unknown:
        raise InputError(
            f"No photo in {folder} has the id, url or sha256 {', '.join(found.unknown[:5])}. "
            "Look it up in the column id of its .parquet files; nothing was changed."
        )
    together = add_takedowns(folder / TAKEDOWNS_FILE, found.photos)
    remove_photos(folder, together.ids)
    return found
