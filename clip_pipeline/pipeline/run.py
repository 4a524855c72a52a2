"""Walks the graph: builds what is stale, one asset after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.pipeline.step import OnProgress, Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised


@dataclass
class AssetOutcome:
    """What a run did for one asset: one `Materialised` a partition, and the seconds it took altogether."""

    asset: str
    partitions: dict[str, Materialised] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def built(self) -> int:
        return sum(not outcome.hit for outcome in self.partitions.values())

    @property
    def hits(self) -> int:
        return sum(outcome.hit for outcome in self.partitions.values())


def run_steps(
    workspace: Workspace,
    steps: Sequence[Step],
    partition: str = "",
    force: bool = False,
    on_progress: OnProgress | None = None,
    on_start: Callable[[Step], None] = lambda step: None,
    on_done: Callable[[AssetOutcome], None] = lambda outcome: None,
) -> list[AssetOutcome]:
    """Materialises the steps in their order and returns what was done.

    partition: only this partition of those steps that have it; the others are left alone. on_progress: is shown what a long
    build has so far. Raises SettingsError when no step has the partition.
    """
    outcomes, known_partitions = [], set()
    for step in steps:
        started = time.monotonic()
        partitions = step.partitions(workspace)
        known_partitions.update(partitions)
        if partition:
            partitions = [key for key in partitions if key == partition]
            if not partitions:
                continue
        on_start(step)
        done = step.materialise_all(workspace, partitions, force, on_progress)
        outcome = AssetOutcome(step.name, done, time.monotonic() - started)
        outcomes.append(outcome)
        on_done(outcome)
    if partition and not outcomes:
        raise SettingsError(
            f'No selected asset has a partition "{partition}". {nearest_name(partition, known_partitions - {""})}'
        )
    return outcomes
