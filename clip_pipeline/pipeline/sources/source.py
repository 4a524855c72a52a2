"""What is declared of a source: what it is, and how its state is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from clip_pipeline.pipeline.workspace import Workspace


@dataclass(frozen=True)
class SourceState:
    """A source as it is now. version: changes when artifacts that read it would be built anew. shown: facts for people, by name."""

    version: str
    shown: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """name: as Dagster calls it, and `Asset.sources`. stage: its group. look: reads its state; sends nothing, builds nothing.
    inputs: how the names of an artifact's inputs begin that are this source's. ask: asks the service behind it, where there is one:
    `look` knows then what it answered.
    """

    name: str
    stage: str
    about: str
    kinds: tuple[str, ...]
    look: Callable[[Workspace], SourceState]
    inputs: tuple[str, ...] = ()
    ask: Callable[[Workspace], object] | None = None
