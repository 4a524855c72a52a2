"""Options that several commands take, and the recipe that they come to."""

from __future__ import annotations

from dataclasses import replace

import click

from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.recipes import RECIPES, find_recipe

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def settings_option(command):
    """The option that changes single settings."""
    return click.option(
        "--set", "assignments", multiple=True, metavar="STAGE.FIELD=VALUE",
        help="Change one setting, such as words.min_count=50. May be given many times; see docs/settings.md.",
    )(command)  # fmt: skip


def recipe_options(command):
    """The options that choose a recipe and change single settings of it."""
    names = ", ".join(RECIPES)
    command = settings_option(command)
    return click.option(
        "--recipe", "recipe_name", default="sandbox", show_default=True, envvar="CLIP_PIPELINE_RECIPE",
        metavar="NAME", help=f"A named set of settings: {names}.",
    )(command)  # fmt: skip


def data_option(command):
    """The option that chooses the data folder."""
    return click.option(
        "--data", "data_folder", default="data", show_default=True, envvar="CLIP_PIPELINE_DATA", type=click.Path(),
        help="Folder of the artifacts.",
    )(command)  # fmt: skip


def device_option(command):
    """The option that chooses where the arithmetic happens."""
    return click.option(
        "--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        help="Where to compute; auto takes the best there is.",
    )(command)  # fmt: skip


def chosen_recipe(name: str, assignments: tuple[str, ...]) -> Recipe:
    """The recipe of that name with the settings of --set."""
    return with_settings(find_recipe(name), assignments)


def with_device(recipe: Recipe, device: str) -> Recipe:
    """The recipe with the device of --device."""
    return replace(recipe, compute=replace(recipe.compute, device=device))
