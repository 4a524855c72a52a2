"""The user's own files for all that a run or backfill of the page is going to build, looked at in its first asset.

"Materialize all" is a backfill: a run after the other, of which the first knows by its tag what the others will build.
"""

from __future__ import annotations

import dagster as dg

from clip_pipeline.pipeline.checks.user_files import check_user_files
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace

BACKFILL_TAG = "dagster/backfill"
ALONE = ("benchmark_dataset",)
"""Assets of which a part that cannot be made keeps no other from being made, in a backfill as without it."""


def check_files_ahead(context: dg.AssetExecutionContext, step: Step, workspace: Workspace) -> None:
    """Opens the files of all assets that were asked for together, where `step` is the first of them in the order of the flow.

    An asset that was asked for alone meets its own files anyway. A dataset that cannot be read is a warning: the others are scored. Raises
    as `check_user_files`, so that Dagster asks for nothing that comes after.
    """
    asked = assets_asked_for(context)
    if len(asked) > 1 and next((name for name in STEPS if name in asked), "") == step.name:
        check_user_files(workspace, asked, warn_of=ALONE)


def assets_asked_for(context: dg.AssetExecutionContext) -> set[str]:
    """The names of the assets of the backfill that the run is part of, else of the run."""
    backfill = context.instance.get_backfill(context.run.tags.get(BACKFILL_TAG, ""))
    keys = (backfill and backfill.asset_selection) or context.job_def.asset_layer.executable_asset_keys
    return {key.to_user_string() for key in keys}
