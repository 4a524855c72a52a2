"""What a data folder holds: whether it is fresh, and why not; whether it is as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.pipeline.checks.data_folder import Verification, verify_data_folder
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.graph import select as steps_of
from clip_pipeline.pipeline.removal import end_begun_take_down
from clip_pipeline.pipeline.status import ArtifactStatus, pipeline_status
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of


def status(
    recipe: str | Recipe = "sandbox",
    data: str | Path = "data",
    *,
    settings: Settings = (),
    variants: Sequence[str] = (),
) -> list[ArtifactStatus]:
    """One entry an artifact that exists or that the recipe would make, in the order of the flow. Builds nothing; a
    take-down that was killed is brought to its end.

    recipe, data, settings, variants: as for `run`. Raises SettingsError for unknown names.
    """
    with Workspace(data, recipe_of(recipe, settings), variants=variants) as workspace:
        for name in variants:
            workspace.find_variant(name)
        end_begun_take_down(workspace, rebuild=False)
        return pipeline_status(workspace, list(STEPS.values()))


def verify(
    data: str | Path = "data",
    *,
    deep: bool = False,
    sample: float = 0.0,
    seed: int | None = None,
    select: str = "",
    partition: str = "",
    repair: bool = False,
    progress: bool = False,
) -> Verification:
    """Compares every artifact with its manifest, and names what else lies in the data folder that should not. Changes nothing but for
    `repair`.

    deep: read all bytes; without it sizes, presence and the manifests' own checksums are looked at, and the bytes of files whose time
    changed. sample: read this share of the bytes, in percent, of files that are drawn by chance with `seed` (drawn anew for None; the
    result says it). select, partition: only these artifacts, as for `run`, and nothing beside them. repair: set aside the artifacts that
    are damaged, so that the next run builds them. progress: show a bar on a terminal. The field `damaged` of the result is empty where
    all is well. Raises StoreError for a folder that is none, SettingsError for unknown names.
    """
    root = Path(data).expanduser().absolute()
    assets = [step.name for step in steps_of(select)] if select else []
    with shown_progress(progress):
        return verify_data_folder(
            root, deep=deep, percent=sample, seed=seed, assets=assets, partition=partition, repair=repair
        )
