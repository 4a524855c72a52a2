"""Walks the graph: builds what is stale, one asset after the other, and checks what is there.

What fails stops only what depends on it. The walk goes on with everything else, and ends with the list.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from clip_pipeline.display.left_out import left_out_sentences
from clip_pipeline.errors import (
    ClipPipelineError,
    DiskError,
    OutageError,
    SettingsError,
    StoreError,
    WithheldArtifactError,
    nearest_name,
)
from clip_pipeline.machine.interrupts import interruption_behind
from clip_pipeline.pipeline.checks.damaged_inputs import damaged_inputs, may_be_damage
from clip_pipeline.pipeline.checks.evaluate import check_artifact
from clip_pipeline.pipeline.outcomes import AssetOutcome, PartitionDone, raise_failures
from clip_pipeline.pipeline.removal import end_begun_take_down
from clip_pipeline.pipeline.retries import WAITS_SECONDS, Patience
from clip_pipeline.pipeline.step import OnProgress, Step
from clip_pipeline.pipeline.workspace import Workspace

logger = logging.getLogger(__name__)

OnPartition = Callable[[PartitionDone], None]


def run_steps(workspace: Workspace, steps: Sequence[Step], *arguments, **options) -> list[AssetOutcome]:
    """`walk`, which see for the arguments. Raises RunFailedError at the end where something failed."""
    outcomes = walk(workspace, steps, *arguments, **options)
    raise_failures(outcomes)
    return outcomes


def walk(
    workspace: Workspace,
    steps: Sequence[Step],
    partition: str = "",
    force: bool = False,
    on_progress: OnProgress | None = None,
    on_start: Callable[[Step], None] = lambda step: None,
    on_partition: OnPartition = lambda done: None,
    on_done: Callable[[AssetOutcome], None] = lambda outcome: None,
    checks: bool = True,
    waits: tuple[float, ...] = WAITS_SECONDS,
) -> list[AssetOutcome]:
    """Materialises the steps in their order and returns what was done, failures as data (`raise_failures` raises them).

    partition: only this partition of those steps that have it; the others are left alone. on_progress: is shown what a long
    build has so far. on_partition, on_done: are handed each partition and each asset as soon as it is done. checks: whether
    checks are evaluated, and what comes after a blocking one that fails is left out. waits: seconds before each further try of what
    the network would not give. Raises SettingsError when no step has the partition.
    """
    outcomes, known_partitions = [], set()
    for step in steps:
        partitions, problem = _partitions_of(workspace, step)
        known_partitions.update(partitions)
        if partition:
            partitions = [key for key in partitions if key == partition]
            if not partitions and problem is None:
                continue
        on_start(step)
        if problem is None:
            outcome = run_step(workspace, step, partitions, force, on_progress, on_partition, checks, waits)
        else:
            outcome = _not_begun(workspace, step, problem)
        outcomes.append(outcome)
        on_done(outcome)
    if partition and not outcomes:
        raise SettingsError(
            f'No selected asset has a partition "{partition}". {nearest_name(partition, known_partitions - {""})}'
        )
    return outcomes


def _partitions_of(workspace: Workspace, step: Step) -> tuple[list[str], Exception | None]:
    try:
        return step.partitions(workspace), None
    except (ClipPipelineError, OSError) as error:
        return [], error


def _not_begun(workspace: Workspace, step: Step, problem: Exception) -> AssetOutcome:
    """Of an asset whose partitions are not known."""
    outcome = AssetOutcome(step.name)
    _note_problem(workspace, step, "", problem, outcome)
    return outcome


def run_step(
    workspace: Workspace,
    step: Step,
    partitions: Sequence[str],
    force: bool = False,
    on_progress: OnProgress | None = None,
    on_partition: OnPartition = lambda done: None,
    checks: bool = True,
    waits: tuple[float, ...] = WAITS_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> AssetOutcome:
    """Materialises the partitions of one asset and checks them; the arguments are those of `walk`.

    A partition that fails stops no other, but a full disk stops all, and so does an outage of the photos' hosts. Those that failed, were skipped or broke a blocking check are
    withheld from the steps that come after in the same workspace.
    """
    started = time.monotonic()
    end_begun_take_down(workspace)
    workspace.release(step.key())  # its partitions are known
    outcome, pace = AssetOutcome(step.name), _Pace(step.name, len(partitions))
    patience = Patience(waits if step.asset.pool == "network" else (), sleep)
    for partition in partitions:
        stop = next((_why_stop(error) for error in outcome.failures.values() if _why_stop(error)), "")
        unsafe = _unsafe_key(step, partition)
        if unsafe is not None:
            outcome.failures[partition] = unsafe
        elif stop:
            outcome.skipped[partition] = stop
            workspace.withhold(step.key(partition), stop)
        else:
            _build(workspace, step, partition, force, on_progress, patience, outcome)
        on_partition(pace.done(partition, outcome))
    if checks:
        _check(workspace, step, outcome)
    if outcome.built:
        for sentence in left_out_sentences(outcome.left_out):
            logger.warning("Left out of %s: %s", step.name, sentence)
    outcome.seconds = time.monotonic() - started
    return outcome


def _why_stop(error: Exception) -> str:
    """Why no other partition is begun after the error, "" for most errors."""
    if isinstance(error, DiskError):
        return f"the disk cannot be written: {error}"
    return "the hosts of the photos cannot be reached for now" if isinstance(error, OutageError) else ""


def _unsafe_key(step: Step, partition: str) -> StoreError | None:
    """Why no artifact can have the key; Dagster's page takes any text for one."""
    try:
        step.key(partition)
    except StoreError as error:
        return error
    return None


def _build(
    workspace: Workspace,
    step: Step,
    partition: str,
    force: bool,
    on_progress: OnProgress | None,
    patience: Patience,
    outcome: AssetOutcome,
) -> None:
    first = not outcome.built
    workspace.release(step.key(partition))
    workspace.was_read.clear()
    try:
        outcome.partitions[partition] = patience.try_again(
            str(step.key(partition)), lambda: step.materialise(workspace, partition, force, first, on_progress)
        )
        incomplete = step.incomplete(workspace, outcome.partitions[partition].artifact)
        if incomplete is not None:
            outcome.incomplete[partition] = incomplete
    except Exception as error:  # noqa: BLE001 - whatever it is, the other partitions can do without it, and the end of the run says it
        if interruption := interruption_behind(error):
            raise interruption from None
        _note_problem(workspace, step, partition, error, outcome)


def _note_problem(workspace: Workspace, step: Step, partition: str, problem: Exception, outcome: AssetOutcome) -> None:
    key = step.key(partition)
    if isinstance(problem, WithheldArtifactError):
        outcome.skipped[partition] = problem.reason
        workspace.withhold(key, problem.reason)
        return
    if may_be_damage(problem):
        problem = damaged_inputs(workspace.store, [*workspace.was_read, key], str(key), problem)
    outcome.failures[partition] = problem
    workspace.withhold(key, f"{key} failed")
    # What was foreseen has a sentence, which the outcome holds; of the rest somebody will want to know where it happened.
    if not isinstance(problem, (ClipPipelineError, OSError)):
        logger.error("%s failed", key, exc_info=problem)


def _check(workspace: Workspace, step: Step, outcome: AssetOutcome) -> None:
    for materialised in outcome.partitions.values():
        outcome.checks += check_artifact(workspace, materialised.artifact)
    for result in outcome.failed_checks:
        workspace.withhold(result.key, f"the check {result.check.name} of {result.key} failed")


class _Pace:
    """Counts the partitions of an asset and the time that those took which were built."""

    def __init__(self, asset: str, total: int):
        self._asset, self._total = asset, total
        self._done = self._built = 0
        self._built_seconds = 0.0
        self._began = self._last = time.monotonic()

    def done(self, partition: str, outcome: AssetOutcome) -> PartitionDone:
        now = time.monotonic()
        materialised = outcome.partitions.get(partition)
        self._done += 1
        if materialised is None or not materialised.hit:
            self._built += 1
            self._built_seconds += now - self._last
        self._last = now
        per_minute = 60 * self._built / max(self._built_seconds, 1e-9) if self._built else None
        return PartitionDone(
            asset=self._asset,
            partition=partition,
            materialised=materialised,
            error=outcome.failures.get(partition),
            skipped=outcome.skipped.get(partition, ""),
            done=self._done,
            total=self._total,
            seconds=now - self._began,
            per_minute=per_minute,
            minutes_left=None if per_minute is None else (self._total - self._done) / per_minute,
        )
