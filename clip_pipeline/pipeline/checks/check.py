"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clip_pipeline.pipeline.workspace import Workspace


@dataclass(frozen=True)
class CheckOutcome:
    """passed, a sentence with what was found, and the numbers behind it."""

    passed: bool
    found: str
    numbers: dict[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """asset: what is checked. blocking: a failure is an error and stops what comes after; else it is a warning."""

    name: str
    asset: str
    about: str
    blocking: bool
    function: Callable[[Workspace], CheckOutcome]
