"""The recipe that a caller chooses: a name, a profile or a `Recipe`, with single settings and a device changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.profiles import is_profile, read_profile
from clip_pipeline.settings.recipes import find_recipe

DEFAULTS = Recipe()
"""Every setting at its default."""

FROM_SCRATCH, GOING_ON = "laptop", "finetune"
"""Recipes for photos of one's own where nobody named any."""

Settings: TypeAlias = Mapping[str, Any] | Sequence[str]
"""{"training.epochs": 3}, or what --set takes: ["training.epochs=3"]."""


def recipe_of(recipe: str | Recipe, settings: Settings = (), device: str | None = None) -> Recipe:
    """The recipe with single settings changed.

    recipe: a name (sandbox, laptop, …), the path of a profile (`profiles.py`) or a `Recipe`; empty is the default of every
    setting. device: of compute.device, None leaves it. Raises SettingsError for an unknown name, setting or value, with the nearest
    right one.
    """
    chosen = _named(recipe) if isinstance(recipe, str) else recipe
    chosen = with_settings(chosen, assignments_of(settings))
    return chosen if device is None else replace(chosen, compute=replace(chosen.compute, device=device))


def own_photos_recipe(recipe: str | Recipe | None, settings: Settings = (), device: str | None = None) -> Recipe:
    """`recipe_of` where photos of the user's own are trained on: None is the recipe that is made for them, `laptop`, or `finetune` where
    training.init_from or a plan names a model that goes on."""
    if recipe is not None:
        return recipe_of(recipe, settings, device)
    chosen = recipe_of(FROM_SCRATCH, settings, device)
    return recipe_of(GOING_ON, settings, device) if chosen.training.init_from else chosen


def assignments_of(settings: Settings) -> tuple[str, ...]:
    """The settings as `--set` takes them: `training.epochs=3`."""
    if isinstance(settings, Mapping):
        return tuple(f"{name}={_text(value)}" for name, value in settings.items())
    return tuple(settings)


def _named(name: str) -> Recipe:
    if not name:
        return DEFAULTS
    return read_profile(name) if is_profile(name) else find_recipe(name)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
