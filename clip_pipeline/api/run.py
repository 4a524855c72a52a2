"""The pipeline: what is missing or stale of the assets is built, the rest reused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.pipeline.checks.user_files import check_user_files
from clip_pipeline.pipeline.graph import select as selected_steps
from clip_pipeline.pipeline.old_artifacts import old_artifacts
from clip_pipeline.pipeline.outcomes import AssetOutcome, raise_failures
from clip_pipeline.pipeline.run import OnPartition, walk
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.storage.scratch import sweep_scratch

logger = logging.getLogger(__name__)


def run(
    recipe: str | Recipe = "sandbox",
    data: str | Path = "data",
    *,
    select: str = "",
    partition: str = "",
    force: bool = False,
    settings: Settings = (),
    variants: Sequence[str] = (),
    checks: bool = True,
    on_start: Callable[[Step], None] = lambda step: None,
    on_partition: OnPartition = lambda done: None,
    on_done: Callable[[AssetOutcome], None] = lambda outcome: None,
    report: Callable[[Workspace, list[AssetOutcome]], None] = lambda workspace, outcomes: None,
    progress: bool = False,
) -> list[AssetOutcome]:
    """Materialises assets in the data folder; returns what was done, one outcome an asset, in the order of the flow.

    recipe: a name or a `Recipe`. data: the data folder, made where it is not there. select: names of assets or stages, with
    commas between; `+name` adds all before it, `name+` all after it; empty is everything. partition: only this one of the
    selected assets. force: build what is fresh too. settings: single settings on top of the recipe. variants: only these training
    variants, of those assets that are divided by them; empty is all. checks: look at what was built; what comes after an artifact
    is left out where a blocking check of it fails. on_start, on_done: called before and after each asset; on_partition: after each
    partition. report: called at the end, with the workspace still open, also where something failed. progress: show bars on a
    terminal. Raises SettingsError for unknown names, InputError for input of the user's that cannot be used, before anything is
    built where that can be known; RunFailedError at the end where something failed: what does not depend on it is done by then.
    """
    chosen, steps = recipe_of(recipe, settings), selected_steps(select)
    sweep_scratch()
    with shown_progress(progress), Workspace(data, chosen, variants=variants) as workspace:
        workspace.store.check_place(writable=True)
        for name in variants:
            workspace.of_variant(name).keep_variant()
        for artifact, sentence in old_artifacts(workspace.store):
            logger.warning("%s: %s", artifact.key, sentence)
        check_user_files(workspace, {step.name for step in steps}, partition, variants)
        outcomes = walk(
            workspace,
            steps,
            partition,
            force,
            on_start=on_start,
            on_partition=on_partition,
            on_done=on_done,
            checks=checks,
        )
        report(workspace, outcomes)
    raise_failures(outcomes)
    return outcomes
