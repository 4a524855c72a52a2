"""Which settings decide the bytes of an asset: read off what its builder makes a fingerprint of, so that nobody writes a list."""

from __future__ import annotations

import copy
from typing import Any

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import SECTIONS, Recipe
from clip_pipeline.settings.checked import fingerprinted
from clip_pipeline.settings.fields import SettingField, fields_of
from clip_pipeline.settings.sections.pooling import OF_ARCHITECTURE
from clip_pipeline.storage.disk import hash_json

WITHIN = {"architecture": tuple(f"pooling.{name}" for name in OF_ARCHITECTURE)}
"""By an entry of a fingerprint, the settings that went into it: where they are as the model says, nothing of them shows."""


class _ReadSections:
    """A recipe that remembers which of its sections were read."""

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self.sections: dict[str, None] = {}

    def __getattr__(self, name: str) -> Any:
        if name in SECTIONS:
            self.sections[name] = None
        return getattr(self._recipe, name)


def fingerprinted_settings(step: Step, workspace: Workspace) -> list[SettingField]:
    """The settings that the asset is stale without, section by section. Where the recipe lacks a value that its source of photos
    needs, all settings that can change bytes in the sections read until then."""
    recipe = _ReadSections(workspace.recipe)
    reading = copy.copy(workspace)
    reading.recipe = recipe  # type: ignore[assignment]
    try:
        names = set(step.builder.config(reading))
        names |= {full_name for entry in names & set(WITHIN) for full_name in WITHIN[entry]}
    except ClipPipelineError:
        names = {field.name for section in recipe.sections for field in fields_of(section) if not field.speed}
    return [
        field
        for section in SECTIONS
        for field in fields_of(section)
        if field.full_name in names or (section in recipe.sections and field.name in names)
    ]


def settings_version(recipe: Recipe) -> str:
    """Eight letters that change when a setting changes that can change an artifact's bytes: the version of a recipe's content."""
    return hash_json({section: fingerprinted(getattr(recipe, section)) for section in SECTIONS})[:8]
