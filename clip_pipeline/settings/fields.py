"""What is known of every setting: name, type, default, help, choices and bounds. Command options, launchpad fields and the
page docs/settings.md are made from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.settings.tree import SECTIONS
from clip_pipeline.version import renamed_setting


@dataclass(frozen=True)
class SettingField:
    """One setting.

    section, name: `training` and `epochs` of training.epochs. type: bool, int, float or str. help: a sentence with the unit.
    choices: the values allowed, empty for any. low, high: the bounds, included; None for none. speed: whether it stays out of
    fingerprints because it cannot change an artifact's bytes.
    """

    section: str
    name: str
    type: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    speed: bool = False

    @property
    def full_name(self) -> str:
        """As `--set` and error messages name it: training.epochs."""
        return f"{self.section}.{self.name}"

    @property
    def limits(self) -> str:
        """The choices or bounds in words, "" where there are none: `One of cpu, cuda.` or `From 0 to 100.`"""
        if self.choices:
            return f"One of {', '.join(filter(None, self.choices))}."
        if self.low is not None and self.high is not None:
            return f"From {self.low:,g} to {self.high:,g}."
        if self.low is not None:
            return f"At least {self.low:,g}."
        return "" if self.high is None else f"At most {self.high:,g}."


def fields_of(section: str) -> tuple[SettingField, ...]:
    """The settings of one section in the order in which they are declared. Raises SettingsError for an unknown section."""
    if section not in SECTIONS:
        raise SettingsError(f'There is no stage "{section}". {nearest_name(section, SECTIONS)}')
    return tuple(_field_of(section, spec) for spec in dataclasses.fields(SECTIONS[section]))


def find_field(full_name: str) -> SettingField:
    """The setting `section.name`. Raises SettingsError with the new name of one that was renamed, else the nearest right one."""
    if sentence := renamed_setting(full_name):
        raise SettingsError(sentence)
    section, _, name = full_name.partition(".")
    fields = {field.name: field for field in fields_of(section)}
    if name not in fields:
        raise SettingsError(
            f'There is no setting "{full_name}". {nearest_name(full_name, [f"{section}.{known}" for known in fields])}'
        )
    return fields[name]


def speed_settings(section: str) -> tuple[str, ...]:
    """The full names of a section's settings that cannot change an artifact's bytes."""
    return tuple(field.full_name for field in fields_of(section) if field.speed)


def _field_of(section: str, spec: dataclasses.Field[Any]) -> SettingField:
    return SettingField(section, spec.name, type(spec.default), spec.default, **spec.metadata)
