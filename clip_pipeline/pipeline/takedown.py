"""Takes photos out of everything that was built, for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from clip_pipeline.errors import InputError, MissingArtifactError, SettingsError
from clip_pipeline.images.takedown import ATTEMPT_COLUMNS, Found, begin_take_down, find_photos
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.partitions import variant_names
from clip_pipeline.pipeline.removal import (
    CATALOG,
    journals_folder,
    remove_begun,
    stored_shards,
    why_catalog_is_stale,
)
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace


@dataclass(frozen=True)
class TakedownOutcome:
    """What a take-down did. found: the photos. outcomes: what was built again. stale: assets that still know the photos
    from learning and are built again by the next run."""

    found: Found
    outcomes: list[AssetOutcome]
    stale: tuple[str, ...]


def take_down(
    workspace: Workspace,
    names: Sequence[str],
    reason: str = "",
    on_done: Callable[[AssetOutcome], None] = lambda outcome: None,
) -> TakedownOutcome:
    """Removes photos, named by id, url or sha256, from every artifact that holds them, and keeps them from coming back.

    Only shards that held one of them are written again, from the photos that they hold: nothing is fetched. Killed at any point, the
    same call or any later command ends it. Others who build artifacts with photos, or take some down, are waited for. Raises
    SettingsError when the catalog was made with other settings than the workspace's, or when the definition of a training variant
    cannot be read, InputError when a name means no photo; then nothing was changed.
    """
    with workspace.store.alone():
        remove_begun(workspace, rebuild=True, on_done=on_done)
        _require_fresh_catalog(workspace)
        for name in variant_names(workspace):
            workspace.find_variant(name)
        found = find_photos(_attempts(workspace), names, date.today().isoformat(), reason, workspace.takedowns())
        if found.unknown:
            raise InputError(
                f"No photo in {workspace.store.root} has the id, url or sha256 {', '.join(found.unknown[:5])}. "
                "Look it up in the column id of images/image_shards/*/*.parquet; nothing was changed."
            )
        begin_take_down(workspace.store.root, found.photos)
        outcomes = remove_begun(workspace, rebuild=True, on_done=on_done)
    return TakedownOutcome(found, outcomes, tuple(_stale_after(workspace)))


def _require_fresh_catalog(workspace: Workspace) -> None:
    """With other settings what was made of the photos could not be built again as it was."""
    workspace.store.get(artifact_key(CATALOG))
    if reason := why_catalog_is_stale(workspace):
        raise SettingsError(
            f"The catalog in {workspace.store.root} is not up to date ({reason}), so a take-down would build more than the "
            "photo's own shard. Give the --recipe and --set that the photos were downloaded with, or bring the catalog up to "
            "date first: clip-pipeline run --select photo_catalog"
        )


def _attempts(workspace: Workspace) -> list:
    import pyarrow.parquet as pq

    from clip_pipeline.images.download.take_out import attempts_of_journals

    tables = [
        pq.read_table(shard.file(f"{shard.key.partition}.parquet"), columns=ATTEMPT_COLUMNS)
        for shard in stored_shards(workspace.store)
    ]
    return [*tables, attempts_of_journals(journals_folder(workspace.store))]


def _learnt_from_photos() -> list[Step]:
    return [step for step in STEPS.values() if step.asset.learnt_from_photos]


def _stale_after(workspace: Workspace) -> list[str]:
    return [
        step.name
        for step in _learnt_from_photos()
        for partition in step.partitions(workspace)
        if workspace.store.find(step.key(partition)) and _is_stale(workspace, step, partition)
    ]


def _is_stale(workspace: Workspace, step: Step, partition: str) -> bool:
    try:
        return bool(workspace.store.why_stale(step.key(partition), step.wanted(workspace, partition)))
    except MissingArtifactError:  # what it was made of was removed with the photo
        return True
