"""What exists in a data folder, whether it is fresh, and why not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clip_pipeline.display.left_out import Row, added_rows
from clip_pipeline.errors import InputError, MissingArtifactError, SettingsError
from clip_pipeline.pipeline.old_artifacts import old_artifacts
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import NEVER
from clip_pipeline.storage.manifest import Artifact, ArtifactKey


@dataclass(frozen=True)
class ArtifactStatus:
    """One artifact. state: fresh, incomplete (fresh, but lacks photos that could not be had for now), stale, missing, waiting (an input is missing), unreadable (an input of yours is, or the
    definition of its variant or dataset), or on request
    (not there, and built only when it is asked for by name), old (of an asset that is called otherwise now)."""

    stage: str
    asset: str
    partition: str
    state: str
    why: str
    bytes: int
    finished: str
    rows: dict[str, int]
    fingerprint: str
    left_out: list[Row] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def pipeline_status(workspace: Workspace, steps: Sequence[Step]) -> list[ArtifactStatus]:
    """One entry an artifact that exists or that the recipe would make; those of assets that are called otherwise now come last.
    Builds nothing and starts nothing."""
    statuses = [status for step in steps for status in _step_status(workspace, step)]
    old = [_of_artifact(artifact.key, artifact, "old", why) for artifact, why in old_artifacts(workspace.store)]
    return statuses + old


def _step_status(workspace: Workspace, step: Step) -> list[ArtifactStatus]:
    try:
        partitions = step.partitions(workspace)
        if step.asset.on_request:
            partitions = [key for key in partitions if workspace.store.find(step.key(key))]
            if not partitions:
                return [_describe(workspace, step, "", "on request", NEVER)]
    except MissingArtifactError as error:
        return [_describe(workspace, step, "", "waiting", error.found.removesuffix("."))]
    return [_partition_status(workspace, step, partition) for partition in partitions]


def _partition_status(workspace: Workspace, step: Step, partition: str) -> ArtifactStatus:
    try:
        wanted = step.wanted(workspace, partition)
    except MissingArtifactError as error:
        return _describe(workspace, step, partition, "waiting", re.split(r" and was never|\.$", error.found)[0])
    except (InputError, SettingsError) as error:
        return _describe(workspace, step, partition, "unreadable", str(error))
    why = workspace.store.why_stale(step.key(partition), wanted)
    if why:
        return _describe(workspace, step, partition, "missing" if why == NEVER else "stale", why)
    incomplete = step.incomplete(workspace, workspace.store.get(step.key(partition)))
    if incomplete is not None:
        return _describe(workspace, step, partition, "incomplete", incomplete.sentence)
    return _describe(workspace, step, partition, "fresh", "")


def _describe(workspace: Workspace, step: Step, partition: str, state: str, why: str) -> ArtifactStatus:
    return _of_artifact(step.key(partition), workspace.store.find(step.key(partition)), state, why)


def _of_artifact(key: ArtifactKey, artifact: Artifact | None, state: str, why: str) -> ArtifactStatus:
    return ArtifactStatus(
        stage=key.stage,
        asset=key.asset,
        partition=key.partition,
        state=state,
        why=why,
        bytes=artifact.size_bytes if artifact else 0,
        finished=artifact.manifest["finished"] if artifact else "",
        rows=artifact.rows if artifact else {},
        fingerprint=artifact.fingerprint if artifact else "",
        left_out=added_rows([artifact.facts]) if artifact else [],
    )
