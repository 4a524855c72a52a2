"""Single settings changed by hand: `stage.field=value`, as `--set` and training plans give them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.settings.fields import SettingField, find_field
from clip_pipeline.settings.plans import plan_assignments
from clip_pipeline.settings.tree import SECTIONS, Recipe

PLAN_SETTING = "training.plan"


def with_settings(recipe: Recipe, assignments: list[str] | tuple[str, ...]) -> Recipe:
    """The recipe with `stage.field=value` assignments applied; those of a `training.plan` come first, the others on top.

    Raises SettingsError for an unknown stage or field (with the nearest right name), a value of the wrong type, or one
    outside its limits.
    """
    plans = [text.strip() for name, _, text in (a.partition("=") for a in assignments) if name.strip() == PLAN_SETTING]
    for plan in filter(None, plans[-1:]):
        for assignment in plan_assignments(plan):
            try:
                recipe = _with_setting(recipe, assignment)
            except SettingsError as error:
                raise SettingsError(f"The plan {plan}: {error}") from None
    for assignment in assignments:
        recipe = _with_setting(recipe, assignment)
    return recipe


def _with_setting(recipe: Recipe, assignment: str) -> Recipe:
    name, equals, text = assignment.partition("=")
    section_name, dot, field_name = name.strip().partition(".")
    if not (equals and dot):
        raise SettingsError(f'"{assignment}" is no setting. Write stage.field=value, such as words.min_count=50.')
    if section_name not in SECTIONS:
        raise SettingsError(
            f'There is no stage "{section_name}" in "{assignment}". {nearest_name(section_name, SECTIONS)}'
        )
    section = getattr(recipe, section_name)
    field = find_field(f"{section_name}.{field_name}")
    return replace(recipe, **{section_name: replace(section, **{field_name: _parse_value(field, text.strip())})})


def _parse_value(field: SettingField, text: str) -> Any:
    name, kind = field.full_name, field.type
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise SettingsError(f'{name} is "{text}", expected true or false.')
        return words[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise SettingsError(f'{name} is "{text}", expected {wanted}.') from None
    return text
