"""The training variants of a data folder: what each is, whether it is trained; adding one, removing one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from clip_pipeline.errors import InputError, MissingArtifactError, SettingsError
from clip_pipeline.models.registry import context_length_of, list_models
from clip_pipeline.models.text_pooling import reads_bytes
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.leftovers import artifacts_of_variant, undefined_artifacts
from clip_pipeline.pipeline.partitions import variant_image_format, variant_names, variant_of
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.variants.file import keep_definition
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.variants import (
    Variant,
    differing_settings,
    new_variant,
    own_variant_name,
    variant_file,
)
from clip_pipeline.storage.manifest import Artifact
from clip_pipeline.training.options import architecture_of

CHECKPOINT = "clip_checkpoint"


@dataclass(frozen=True)
class VariantStatus:
    """One variant. changed: the settings in which it differs from the recipe, by name. own: whether it is the recipe's own.
    state: trained, stale, not trained, broken (it could not be trained), or undefined (it has artifacts only); why: in a few words, "" for a
    variant that is trained or not yet."""

    name: str
    about: str
    own: bool
    state: str
    why: str = ""
    changed: dict[str, Any] = field(default_factory=dict)


def describe_variants(workspace: Workspace) -> list[VariantStatus]:
    """All variants, the recipe's own first; last those that only artifacts are left of. A broken definition is a row, not an
    error."""
    return [*(_describe(workspace, name) for name in variant_names(workspace)), *_undefined(workspace)]


def _undefined(workspace: Workspace) -> list[VariantStatus]:
    sizes: dict[str, list[int]] = {}
    defined = ("", *variant_names(workspace))
    for artifact in undefined_artifacts(workspace):
        name = variant_of(find_asset(artifact.key.asset), artifact.key.partition)
        if name not in defined:
            sizes.setdefault(name, []).append(artifact.size_bytes)
    return [
        VariantStatus(
            name,
            "",
            False,
            "undefined",
            f"nothing reads what it left on the disk: {len(of)} artifacts, {sum(of) / 1e6:,.1f} MB",
        )
        for name, of in sorted(sizes.items())
    ]


def _describe(workspace: Workspace, name: str) -> VariantStatus:
    try:
        variant = workspace.find_variant(name)
        check_variant(workspace.own_recipe, variant)
    except (SettingsError, InputError) as error:
        return VariantStatus(name, "", name == workspace.variant, "broken", str(error))
    state, why = _state(workspace, name)
    return VariantStatus(
        name, variant.about, variant.own, state, why, differing_settings(variant, workspace.own_recipe)
    )


def _state(workspace: Workspace, name: str) -> tuple[str, str]:
    step = STEPS[CHECKPOINT]
    if workspace.store.find(step.key(name)) is None:
        return "not trained", ""
    try:
        why = workspace.store.why_stale(step.key(name), step.wanted(workspace, name))
    except (MissingArtifactError, InputError) as error:
        why = str(error).split(". ")[0]
    return ("stale", why) if why else ("trained", "")


def add_variant(workspace: Workspace, name: str, assignments: Collection[str], about: str = "") -> Variant:
    """Defines a variant below the data folder. Raises SettingsError or ModelError for one that could not be trained, and for a
    name that means something else already."""
    recipe = workspace.own_recipe
    variant = new_variant(workspace.store.root, recipe, name, assignments, about, list_models())
    check_variant(recipe, variant)
    keep_definition(workspace.store.root, variant)
    return variant


def check_variant(recipe: Recipe, variant: Variant) -> None:
    """Raises SettingsError or ModelError for a variant that could not be trained, as far as that shows before the training."""
    training = variant.training
    config = architecture_of(training, variant.pooling)
    if training.init_from:  # which brings its own tokenizer, and resizes as it is used to
        return
    variant_image_format(training)
    if reads_bytes(config):
        return
    shared, own = context_length_of(architecture_of(recipe.training)), context_length_of(config)
    if own < shared:
        raise SettingsError(
            f"The variant {variant.name} sees {own} tokens of a text, but the tokenizer, which all variants share, is made for "
            f"{shared}, as the model of the recipe is. Set its training.context_length to {shared}."
        )


def remove_variant(workspace: Workspace, name: str) -> list[Artifact]:
    """Removes the definition of a variant; returns the artifacts that it leaves. Raises SettingsError where there is none."""
    if name == own_variant_name(workspace.own_recipe):
        raise SettingsError(
            f'"{name}" is the variant of the recipe itself. Choose another recipe, or change it with --set.'
        )
    file = variant_file(workspace.store.root, name)
    if not file.is_file():
        workspace.find_variant(name)
        raise SettingsError(f'The variant "{name}" has no file, {file}: there is nothing to remove.')
    file.unlink()
    return artifacts_of_variant(workspace.store, name)
