"""What the graph knows of one asset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Artifact, Built, Materialised, Wanted


def without_partitions(workspace: Workspace) -> list[str]:
    """The partitions of an asset that has none."""
    return [""]


def nothing_to_follow(workspace: Workspace, artifact: Artifact) -> None:
    """What most steps do once their artifact is there."""


@dataclass(frozen=True)
class Step:
    """How one asset is built.

    about: one sentence for people. code_version: raise it when the code changes what it writes. after: the assets it
    reads. config(workspace): the settings that can change its bytes. inputs(workspace, partition): content hashes of
    what it reads, by name. build(workspace, partition, folder, work_folder): writes the files.
    partitions(workspace): the keys that exist now, in order. follow_up(workspace, artifact): what is done besides, at each
    run, when the artifact is there and fresh, built or not; it changes no artifact. on_request: a run builds it only when it is
    asked for by its own name.
    """

    asset: str
    about: str
    code_version: str
    after: tuple[str, ...]
    config: Callable[[Workspace], Mapping[str, Any]]
    inputs: Callable[[Workspace, str], Mapping[str, str]]
    build: Callable[[Workspace, str, Path, Path], Built]
    partitions: Callable[[Workspace], list[str]] = without_partitions
    follow_up: Callable[[Workspace, Artifact], None] = nothing_to_follow
    on_request: bool = False

    def wanted(self, workspace: Workspace, partition: str = "") -> Wanted:
        """What decides the bytes of this artifact now. Raises MissingArtifactError when an input was never built."""
        return Wanted(self.code_version, self.config(workspace), self.inputs(workspace, partition))

    def materialise(self, workspace: Workspace, partition: str = "", force: bool = False) -> Materialised:
        """The fresh artifact, built where it is not there."""
        workspace.forced = force
        materialised = workspace.store.materialise(
            artifact_key(self.asset, partition),
            self.wanted(workspace, partition),
            lambda folder, work: self.build(workspace, partition, folder, work),
            force,
        )
        self.follow_up(workspace, materialised.artifact)
        return materialised
