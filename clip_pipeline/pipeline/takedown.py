"""Takes photos out of everything that was built, for good."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from clip_pipeline.errors import InputError, MissingArtifactError, SettingsError
from clip_pipeline.images.takedown import ATTEMPT_COLUMNS, TAKEDOWNS_FILE, Found, add_takedowns, find_photos
from clip_pipeline.pipeline.asset import Partitions
from clip_pipeline.pipeline.checks.evaluate import forget_checks
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.leftovers import undefined_artifacts
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.partitions import variant_names
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace


@dataclass(frozen=True)
class TakedownOutcome:
    """What a take-down did. found: the photos. outcomes: what was built again. stale: assets that still know the photos
    from learning and are built again by the next run. left: folders that may hold the photos and cannot be built again, since their
    training variant or dataset is not defined any more."""

    found: Found
    outcomes: list[AssetOutcome]
    stale: tuple[str, ...]
    left: tuple[Path, ...] = ()


def take_down(
    workspace: Workspace,
    names: Sequence[str],
    reason: str = "",
    on_done: Callable[[AssetOutcome], None] = lambda outcome: None,
) -> TakedownOutcome:
    """Removes photos, named by id, url or sha256, from every artifact that holds them, and keeps them from coming back.

    Only shards that held one of them are written again, from the photos that they hold: nothing is fetched. Raises
    SettingsError when the catalog was made with other settings than the workspace's, or when the definition of a training variant
    cannot be read, InputError when a name means no photo.
    """
    _require_fresh_catalog(workspace)
    for name in variant_names(workspace):
        workspace.find_variant(name)
    found = find_photos(_attempts(workspace), names, date.today().isoformat(), reason)
    known = workspace.takedowns()
    unknown = [name for name in found.unknown if name not in known.ids]
    if unknown:
        raise InputError(
            f"No photo in {workspace.store.root} has the id, url or sha256 {', '.join(unknown[:5])}. "
            "Look it up in the column id of images/image_shards/*/*.parquet; nothing was changed."
        )
    add_takedowns(workspace.store.root / TAKEDOWNS_FILE, found.photos)
    outcomes = []
    for step in STEPS.values():
        if not step.asset.holds_photos:
            continue
        outcome = _build_what_exists(workspace, step)
        if outcome.partitions:
            outcomes.append(outcome)
            on_done(outcome)
    for step in _learnt_from_photos():
        workspace.store.forget_pieces(step.key())
    forget_checks(workspace.store)
    left = tuple(
        artifact.folder for artifact in undefined_artifacts(workspace) if find_asset(artifact.key.asset).holds_photos
    )
    return TakedownOutcome(found, outcomes, tuple(_stale_after(workspace)), left)


def _require_fresh_catalog(workspace: Workspace) -> None:
    """A catalog of other settings would be built anew, and all shards with it."""
    key = artifact_key("photo_catalog")
    workspace.store.get(key)
    try:
        reason = workspace.store.why_stale(key, STEPS["photo_catalog"].wanted(workspace))
    except MissingArtifactError as error:
        reason = error.found.removesuffix(".")
    if reason:
        raise SettingsError(
            f"The catalog in {workspace.store.root} is not up to date ({reason}), so a take-down would build more than the "
            "photo's own shard. Give the --recipe and --set that the photos were downloaded with, or bring the catalog up to "
            "date first: clip-pipeline run --select photo_catalog"
        )


def _attempts(workspace: Workspace) -> list:
    import pyarrow.parquet as pq

    tables = []
    for shard in STEPS["image_shards"].partitions(workspace):
        artifact = workspace.store.find(artifact_key("image_shards", shard))
        if artifact is not None:
            tables.append(pq.read_table(artifact.file(f"{shard}.parquet"), columns=ATTEMPT_COLUMNS))
    return tables


def _build_what_exists(workspace: Workspace, step: Step) -> AssetOutcome:
    """Brings those partitions up to date that were built before; a photo cannot be in any other."""
    started = time.monotonic()
    stored = [key for key in _partitions_with_photos(workspace, step) if workspace.store.find(step.key(key))]
    return AssetOutcome(step.name, step.materialise_all(workspace, stored), time.monotonic() - started)


def _partitions_with_photos(workspace: Workspace, step: Step) -> list[str]:
    if step.asset.partitions == Partitions.IMAGE_FORMATS:  # those of trainings with other settings hold the photo too
        return workspace.store.partitions(step.asset.stage, step.name)
    return step.partitions(workspace)


def _learnt_from_photos() -> list[Step]:
    return [step for step in STEPS.values() if step.asset.learnt_from_photos]


def _stale_after(workspace: Workspace) -> list[str]:
    stale = []
    for step in _learnt_from_photos():
        for partition in step.partitions(workspace):
            key = step.key(partition)
            if workspace.store.find(key) and workspace.store.why_stale(key, step.wanted(workspace, partition)):
                stale.append(step.name)
    return stale
