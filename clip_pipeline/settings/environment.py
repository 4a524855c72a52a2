"""The environment variables that say which recipe and which data folder a process works on: how the Dagster page is told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.errors import SettingsError
from clip_pipeline.settings.chosen_recipe import recipe_of
from clip_pipeline.settings.profiles import is_profile
from clip_pipeline.settings.tree import Recipe

RECIPE = "CLIP_PIPELINE_RECIPE"
"""A recipe's name, or the path of a profile."""

SETTINGS = "CLIP_PIPELINE_SETTINGS"
"""Single settings as --set takes them, separated by ;"""

DATA = "CLIP_PIPELINE_DATA"
"""The data folder."""

ROOTS = "CLIP_PIPELINE_ROOTS"
"""Folders below which files may be named on the page, separated as in PATH."""

BETWEEN = ";"


def starting_recipe() -> Recipe:
    """The recipe that the variables say, sandbox where they say none; a profile is read anew at each call.

    Raises SettingsError as `recipe_of` does.
    """
    return recipe_of(os.environ.get(RECIPE) or "sandbox", starting_settings())


def starting_settings() -> list[str]:
    """The single settings of the variable."""
    return [part.strip() for part in os.environ.get(SETTINGS, "").split(BETWEEN) if part.strip()]


def data_folder() -> Path:
    """The data folder of the variable, else the folder `data`."""
    return Path(os.environ.get(DATA) or "data")


def page_roots() -> tuple[Path, ...]:
    """The folders of the variable, else the data folder and the current one; with links followed."""
    given = [part for part in os.environ.get(ROOTS, "").split(os.pathsep) if part]
    return tuple(Path(part).expanduser().resolve() for part in given or (data_folder(), "."))


def roots_text(folders: Sequence[str | Path]) -> str:
    """The variable for these folders."""
    return os.pathsep.join(str(Path(folder).expanduser().absolute()) for folder in folders)


def environment_of(recipe: str, settings: Sequence[str], data: str | Path) -> dict[str, str]:
    """The variables for a process that may work in another folder: paths are made absolute.

    Raises SettingsError for a setting that the variable cannot hold.
    """
    for setting in settings:
        if BETWEEN in setting:
            raise SettingsError(f'"{setting}" holds a "{BETWEEN}", which parts settings here. Write it into a profile.')
    if is_profile(recipe):
        recipe = str(Path(recipe).expanduser().absolute())
    return {RECIPE: recipe, SETTINGS: BETWEEN.join(settings), DATA: str(Path(data).expanduser().absolute())}
