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
    """asset: what is checked, one partition at a time. blocking: a failure is an error and stops what comes after; else it is a
    warning. function(workspace, partition): "" for an asset without partitions. version: raise it when the code changes what it finds.
    """

    name: str
    asset: str
    about: str
    blocking: bool
    function: Callable[[Workspace, str], CheckOutcome]
    version: str = "1"

    @property
    def memory_name(self) -> str:
        """Under which its outcome is remembered."""
        return f"{self.name} {self.version}"
