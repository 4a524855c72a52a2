"""Training variants of a data folder: list, add, remove."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.pipeline.variants.defined import VariantStatus, describe_variants
from clip_pipeline.pipeline.variants.defined import add_variant as define
from clip_pipeline.pipeline.variants.defined import remove_variant as remove
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, assignments_of, recipe_of
from clip_pipeline.settings.variants import Variant


def list_variants(
    recipe: str | Recipe = "sandbox", data: str | Path = "data", *, settings: Settings = ()
) -> list[VariantStatus]:
    """One entry a training variant, the recipe's own first: in which settings it differs from the recipe, and whether it is
    trained. A definition that is broken is an entry that says so, and so is a variant that only artifacts are left of. Builds nothing.

    recipe, data, settings: as for `run`. Raises SettingsError for unknown names.
    """
    with Workspace(data, recipe_of(recipe, settings)) as workspace:
        return describe_variants(workspace)


def add_variant(
    name: str,
    settings: Settings = (),
    data: str | Path = "data",
    *,
    about: str = "",
    recipe: str | Recipe = "sandbox",
) -> Variant:
    """Defines a training variant, as the file `variants/NAME.toml` of the data folder; `run` then trains and scores it beside
    the others.

    name: of letters, digits and _ . + - = , signs. settings: those of `training`, and of `pooling` what says how tokens are pooled, that differ from the recipe's, such as
    {"training.epochs": 20}; none where the name is a model's, a plan's, or settings such as "epochs=20+seed=1". about: a sentence
    for people. Raises SettingsError for an unknown setting, a wrong value, a name that means something else already, and settings
    that are not of the training; ModelError for an unknown model.
    """
    with Workspace(data, recipe_of(recipe)) as workspace:
        return define(workspace, name, assignments_of(settings), about)


def remove_variant(name: str, data: str | Path = "data", *, recipe: str | Recipe = "sandbox") -> list[Path]:
    """Removes the definition of a variant, and nothing else; returns the folders of its artifacts, which stay.

    A variant of the same name and settings finds them fresh again. Raises SettingsError where there is no such variant, and for the
    recipe's own.
    """
    with Workspace(data, recipe_of(recipe)) as workspace:
        return [artifact.folder for artifact in remove(workspace, name)]
