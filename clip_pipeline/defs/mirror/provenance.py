"""What an event says of where an artifact comes from, in the tags by which Dagster decides whether it is in sync.

Dagster calls an asset in sync while its code version is that of the definitions, and no asset before it has had a new data
version since. The tags written here are such that this is so just where the store calls the artifact fresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.sources.declared import source_of
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Artifact, Wanted

CODE_VERSION = "dagster/code_version"
DATA_VERSION = "dagster/data_version"
DATA_VERSION_IS_OURS = "dagster/data_version_is_user_provided"
INPUT_VERSION = "dagster/input_data_version"
INPUT_POINTER = "dagster/input_event_pointer"

BEFORE_ALL_EVENTS = -2
"""A pointer that makes every version of a partitioned input one that came after it."""

UNKNOWN_SETTINGS = "unknown"
"""Stands for the hash of settings that cannot be told."""

MAX_COMPARED_PARTITIONS = 100
"""Of an input with so many partitions or more Dagster compares none (SKIP_PARTITION_DATA_VERSION_DEPENDENCY_THRESHOLD)."""


ANOTHER = "another"
"""Stands for the version that an input had when it was read, where only its being another one is known."""


@dataclass(frozen=True)
class Input:
    """An asset or a source that an asset reads. version: its content hash, or a hash of those of its partitions that are read. partitions:
    how many those are, 0 for an asset without."""

    version: str
    partitions: int = 0


@dataclass(frozen=True)
class Verdict:
    """The store's word on an artifact that is there. why: "" where it is fresh, else the reason. changed: the assets and sources whose content
    changed, where that alone is the reason."""

    why: str
    changed: frozenset[str] = frozenset()

    @property
    def fresh(self) -> bool:
        return not self.why


def verdict_of(step: Step, workspace: Workspace, artifact: Artifact) -> Verdict:
    """Whether the artifact is what the workspace's settings and inputs ask for."""
    try:
        wanted = step.wanted(workspace, artifact.key.partition)
    except ClipPipelineError as error:  # an input is missing or cannot be read
        return Verdict(str(error))
    why = workspace.store.why_stale(artifact.key, wanted)
    return Verdict(why, _changed_inputs(step, artifact, wanted) if why else frozenset())


def _changed_inputs(step: Step, artifact: Artifact, wanted: Wanted) -> frozenset[str]:
    """The assets before the step that changed; none where something else changed as well, which Dagster cannot see by itself."""
    manifest = artifact.manifest
    if (manifest["code_version"], hash_json(manifest["config"])) != (
        wanted.code_version,
        hash_json(dict(wanted.config)),
    ):
        return frozenset()
    old, new = manifest["inputs"], wanted.inputs
    changed = {_asset_of(step.asset, name) for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return frozenset(changed) if changed <= {*step.asset.after, *step.asset.sources} else frozenset()


def _asset_of(asset: Asset, input_name: str) -> str:
    """The source that an input belongs to, or the asset that its name begins with: image_shards of image_shards[00000],
    photo_catalog of photo_catalog/00000."""
    return source_of(asset, input_name) or input_name.partition("[")[0].partition("/")[0]


def definition_code_version(step: Step, workspace: Workspace) -> str:
    """The code version of the asset's definition: the step's, and a hash of the recipe's settings that decide its bytes.

    Where they cannot be told, as of photos at a path that is not there, it is one that nothing was built with: the asset is shown as
    unsynced, its run says what is wrong, and the page has all the others.
    """
    try:
        config = step.builder.config(workspace)
    except ClipPipelineError:
        return f"{step.asset.code_version}-{UNKNOWN_SETTINGS}"
    return _code_version(step.asset.code_version, config)


def _code_version(version: str, config: Mapping[str, Any]) -> str:
    return f"{version}-{hash_json(dict(config))[:8]}"


def provenance_tags(
    step: Step, workspace: Workspace, artifact: Artifact, verdict: Verdict, inputs: Mapping[str, Input], pointer: int
) -> dict[str, str]:
    """The tags of an event that reports the artifact.

    inputs: the assets and sources before it as they are now. pointer: the number of Dagster's last event before this one; a fresh artifact is
    made of what its inputs were then.
    """
    changed = {asset for asset in verdict.changed if inputs[asset].partitions < MAX_COMPARED_PARTITIONS}
    manifest = artifact.manifest
    tags = {DATA_VERSION: artifact.content, DATA_VERSION_IS_OURS: "true"}
    if verdict.fresh or changed:
        tags[CODE_VERSION] = definition_code_version(step, workspace)
    else:
        tags[CODE_VERSION] = f"{_code_version(manifest['code_version'], manifest['config'])} (stale)"
    for asset, now in inputs.items():
        tags[f"{INPUT_VERSION}/{asset}"] = ANOTHER if asset in changed else now.version
        tags[f"{INPUT_POINTER}/{asset}"] = str(BEFORE_ALL_EVENTS if asset in changed else pointer)
    return tags


def same_provenance(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two events' tags say the same, whenever they were written."""
    return _without_pointers(one) == _without_pointers(other)


def _without_pointers(tags: Mapping[str, str]) -> dict[str, str]:
    kept = (DATA_VERSION, CODE_VERSION, INPUT_VERSION)
    return {name: value for name, value in tags.items() if name.startswith(kept) and name != DATA_VERSION_IS_OURS}
