"""Profiles: TOML files with a recipe's name and the settings that differ from it.

    recipe = "laptop"
    about = "Our own photos, one GPU."

    [words]
    min_count = 50

    [training]
    epochs = 20

A profile is written down, kept beside the data and shared, where `--set` is typed and forgotten. Its settings are checked as if each
were given with --set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.settings.assignments import with_settings
from clip_pipeline.settings.definitions import read_definition
from clip_pipeline.settings.fields import find_field
from clip_pipeline.settings.recipes import RECIPES
from clip_pipeline.settings.tree import SECTIONS, Recipe

SUFFIX = ".toml"


def is_profile(name_or_path: str) -> bool:
    """Whether a recipe is named by the path of a profile."""
    return name_or_path.endswith(SUFFIX)


def read_profile(path: str | Path) -> Recipe:
    """The recipe that a profile describes; it is called as the file is, without .toml.

    Raises SettingsError with the file's name for a file that is not there, too large or no TOML, for an unknown recipe, section, key
    or value.
    """
    file = Path(path).expanduser()
    tables = read_definition(file, ("recipe", "about", *SECTIONS))
    base, about = tables.pop("recipe", None), tables.pop("about", "")
    if not isinstance(base, str) or base not in RECIPES:
        found = "lacks the line" if base is None else f"has recipe = {base!r}; expected one such as"
        hint = nearest_name(str(base), RECIPES) if base else f"Known: {', '.join(RECIPES)}."
        raise SettingsError(f'{file} {found} recipe = "laptop". {hint}')
    if not isinstance(about, str):
        raise SettingsError(f"{file} has about = {about!r}, expected a sentence.")
    try:
        recipe = with_settings(RECIPES[base], list(_assignments(tables)))
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from None
    return replace(recipe, name=file.stem, about=about or recipe.about)


def _assignments(tables: dict[str, Any]) -> Iterator[str]:
    """The settings as `section.name=value`. Raises SettingsError for values of another type."""
    for section, values in tables.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{section} is {values!r}, expected a section: [{section}] and settings below it.")
        for name, value in values.items():
            yield f"{section}.{name}={_text(f'{section}.{name}', value)}"


def _text(name: str, value: Any) -> str:
    wanted = find_field(name).type
    if type(value) is not wanted and not (wanted is float and type(value) is int):
        kinds = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
        raise SettingsError(f"{name} is {_as_toml(value)}, expected {kinds[wanted]}.")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
