"""Evaluates the checks of an artifact. What was found is remembered beside the artifacts, for as long as nothing that decides it changes."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.checks.integrity import CHECKS
from clip_pipeline.pipeline.partitions import variant_of
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import SECTIONS, fingerprinted
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.disk_faults import disk_sentence
from clip_pipeline.storage.manifest import Artifact, ArtifactKey
from clip_pipeline.storage.remembered import recall, remember
from clip_pipeline.version import __version__

logger = logging.getLogger(__name__)

REMEMBERED = ".checks"
"""The folder below the data folder: one JSON file an artifact."""


@dataclass(frozen=True)
class CheckResult:
    """What a check found of one artifact. remembered: in an earlier run, of the same bytes with the same settings. broke: it could
    not be evaluated, which is a failure, and is not remembered."""

    check: Check
    key: ArtifactKey
    outcome: CheckOutcome
    remembered: bool = False
    broke: bool = False

    @property
    def stops(self) -> bool:
        """Whether what comes after the artifact must not be built."""
        return self.check.blocking and not self.outcome.passed

    @property
    def warns(self) -> bool:
        return not self.check.blocking and not self.outcome.passed

    @property
    def name(self) -> str:
        """The artifact, such as image_shards[00012]."""
        return str(self.key)


def checks_of(asset: str) -> tuple[Check, ...]:
    """The checks of an asset, in the order of their list."""
    return tuple(check for check in CHECKS if check.asset == asset)


def evaluate(workspace: Workspace, check: Check, key: ArtifactKey) -> CheckResult:
    """What the check finds now. A check that cannot be evaluated fails with the reason."""
    try:
        return CheckResult(check, key, check.function(_workspace_of(workspace, key), key.partition))
    except ClipPipelineError as error:
        found = f"could not be evaluated: {error}"
    except Exception as error:
        sentence = disk_sentence(error)
        if not sentence:
            logger.exception("The check %s of %s broke", check.name, key)
        found = f"could not be evaluated: {sentence or f'{type(error).__name__}: {error}'}"
    return CheckResult(check, key, CheckOutcome(False, found), broke=True)


def _workspace_of(workspace: Workspace, key: ArtifactKey) -> Workspace:
    """With the training settings of the artifact's variant."""
    variant = variant_of(find_asset(key.asset), key.partition)
    return workspace.of_variant(variant) if variant else workspace


def check_artifact(workspace: Workspace, artifact: Artifact) -> list[CheckResult]:
    """What the checks of an artifact find, taken from memory where neither artifact nor settings have changed since.

    The manifest names the hash of every file and of every input; it is written anew by each build, so a forced one is checked
    again.
    """
    known = {result.check.name: result for result in remembered_checks(workspace, artifact)}
    checks = checks_of(artifact.key.asset)
    results = [known.get(check.name) or evaluate(workspace, check, artifact.key) for check in checks]
    if not all(result.remembered for result in results):
        found = {result.check.memory_name: asdict(result.outcome) for result in results if not result.broke}
        _remember(workspace.store, artifact.key, {"decided_by": _decided_by(workspace, artifact), "found": found})
    return results


def remembered_checks(workspace: Workspace, artifact: Artifact) -> list[CheckResult]:
    """What is remembered of an artifact; nothing is evaluated."""
    checks = checks_of(artifact.key.asset)
    found = _remembered(workspace.store, artifact.key, _decided_by(workspace, artifact)) if checks else {}
    return [
        CheckResult(check, artifact.key, CheckOutcome(**found[check.memory_name]), remembered=True)
        for check in checks
        if check.memory_name in found
    ]


def _decided_by(workspace: Workspace, artifact: Artifact) -> str:
    """A hash of all that may change what is found. Settings that change no bytes, such as the number of threads, do not."""
    recipe = _workspace_of(workspace, artifact.key).recipe
    settings = {section: fingerprinted(getattr(recipe, section)) for section in SECTIONS}
    return hash_json([__version__, artifact.manifest, settings])


def forget_checks(store: Store) -> None:
    """Removes what was found: its sentences may show captions."""
    shutil.rmtree(store.root / REMEMBERED, ignore_errors=True)


def _path(store: Store, key: ArtifactKey) -> Path:
    return (store.root / REMEMBERED / key.relative).with_name(f"{key.relative.name}.json")


def _remembered(store: Store, key: ArtifactKey, decided_by: str) -> dict[str, dict[str, Any]]:
    content = recall(_path(store, key), lambda value: value.keys() == {"decided_by", "found"})
    return content["found"] if content.get("decided_by") == decided_by else {}


def _remember(store: Store, key: ArtifactKey, content: dict[str, Any]) -> None:
    remember(_path(store, key), content)
