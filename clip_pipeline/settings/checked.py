"""What all settings share: help, limits that are checked on construction, and which of them can change bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Self

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.version import renamed_choice, renamed_setting


def setting(default: Any, help: str, *, choices: tuple[str, ...] = (), low=None, high=None, speed: bool = False) -> Any:
    """A field with a default, a sentence of help, and the limits that are checked on construction."""
    metadata = {"help": help, "choices": choices, "low": low, "high": high, "speed": speed}
    return field(default=default, metadata=metadata)


class CheckedSettings:
    """Base of the settings: checks each field against its limits when a value is made."""

    def __new__(cls, *values: Any, **named: Any) -> Self:
        for name in named:
            if sentence := renamed_setting(f"{cls.section_name()}.{name}"):
                raise SettingsError(sentence)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):  # type: ignore[arg-type]
            _check_value(f"{self.section_name()}.{spec.name}", getattr(self, spec.name), spec.metadata)

    @classmethod
    def section_name(cls) -> str:
        """The section as `--set` names it: `training` of TrainingSettings."""
        return cls.__name__.removesuffix("Settings").lower()


def _check_value(name: str, value: Any, limits: Mapping[str, Any]) -> None:
    choices, low, high = limits.get("choices", ()), limits.get("low"), limits.get("high")
    if choices and value not in choices:
        hint = renamed_choice(name, str(value)) or nearest_name(str(value), choices)
        raise SettingsError(f"{name} is {value!r}. {hint}")
    if value != value:  # nan, which is neither below nor above a bound
        raise SettingsError(f"{name} is nan, expected a number.")
    if low is not None and value < low:
        raise SettingsError(f"{name} is {value}, the least that works is {low}.")
    if high is not None and value > high:
        raise SettingsError(f"{name} is {value}, the most that works is {high}.")


def fingerprinted(section: Any) -> dict[str, Any]:
    """The fields of one settings section that can change an artifact's bytes."""
    return {f.name: getattr(section, f.name) for f in dataclasses.fields(section) if not f.metadata.get("speed")}
