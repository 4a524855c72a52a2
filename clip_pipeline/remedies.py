"""What to do about an error, as values: the terminal (`cli/sentences.py`) and the Dagster page (`defs/page/sentences.py`) each put it
in their own words. The text of a remedy is right for both, and for a notebook."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Materialise:
    """An artifact is to be built. partition: "" for an asset without. again: although it is fresh. alone: what it reads is there."""

    asset: str
    partition: str = ""
    again: bool = False
    alone: bool = False

    @property
    def artifact(self) -> str:
        """`clip_checkpoint[tiny_test]`."""
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset

    def __str__(self) -> str:
        return f"Materialise {self.artifact} {'again' if self.again else 'first'}."


@dataclass(frozen=True)
class AnotherDataFolder:
    """Another data folder is to be chosen. otherwise: what would help too, as the beginning of the sentence."""

    otherwise: str

    def __str__(self) -> str:
        return f"{self.otherwise}, or choose another data folder."


@dataclass(frozen=True)
class Command:
    """Something that only a command of the terminal does. purpose: what it does, as the beginning of the sentence."""

    purpose: str
    command: str

    def __str__(self) -> str:
        return f"{self.purpose} with: {self.command}"


Remedy = Materialise | AnotherDataFolder | Command
