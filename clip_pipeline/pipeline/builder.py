"""How an asset is built: what `steps/` gives for each, and what a build is handed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.manifest import Artifact, Built

Shown = Callable[[Mapping[str, float], bytes], None]
"""Is handed what a long build has so far: numbers by name, and a figure (PNG)."""


@dataclass(frozen=True)
class BuildContext:
    """What one build is handed.

    partition: its key, "" for an asset without. folder: new and empty; the artifact's files go into it. work: survives a crash,
    and is handed to the next try with the same fingerprint. forced: the artifact is fresh, and is built all the same because
    somebody wants it anew: what was fetched before is fetched again. first: this walk has built no other partition of the asset.
    on_progress: shows what there is so far; None where nobody looks.
    """

    workspace: Workspace
    partition: str
    folder: Path
    work: Path
    forced: bool = False
    first: bool = True
    on_progress: Shown | None = None


@dataclass(frozen=True)
class Incomplete:
    """A usable artifact lacks something that could not be had for now. sentence: what, why, and when it is tried again, as in
    "lacks 12 photos for now (photos.test: HTTP 503); the next run tries again". is_due: whether a run tries again now. count: what it lacks."""

    sentence: str
    is_due: bool
    count: int


def is_complete(workspace: Workspace, artifact: Artifact) -> None:
    """What most assets are once they are there."""


def nothing_to_follow(workspace: Workspace, artifact: Artifact) -> None:
    """What most assets do once they are there."""


@dataclass(frozen=True)
class Builder:
    """How one asset is built.

    config(workspace): the settings that can change its bytes. inputs(workspace, partition): content hashes of what it reads, by
    name. build(context): writes the files. follow_up(workspace, artifact): what is done besides, at each run, when the artifact
    is there and fresh, built or not; it changes no artifact. incomplete(workspace, artifact): what a fresh artifact lacks for now;
    None where nothing. speed: the settings that `build` and `follow_up` read and that change
    no bytes, by their full names: one run may be given them in Dagster's launchpad.
    """

    config: Callable[[Workspace], Mapping[str, Any]]
    inputs: Callable[[Workspace, str], Mapping[str, str]]
    build: Callable[[BuildContext], Built]
    follow_up: Callable[[Workspace, Artifact], None] = nothing_to_follow
    incomplete: Callable[[Workspace, Artifact], Incomplete | None] = is_complete
    speed: tuple[str, ...] = ()
