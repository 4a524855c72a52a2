"""Tells Dagster's history what the command line built, so that the page shows it as materialised."""

import contextlib
import io
import logging
import os
from collections.abc import Sequence

from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised

logger = logging.getLogger(__name__)


def no_history(workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
    """For `--no-history`."""


def report_run(workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
    """Reports every artifact that was built, not the hits, to the Dagster instance of DAGSTER_HOME.

    Without DAGSTER_HOME there is no history that would outlive the process, and nothing is reported.
    """
    if not os.environ.get("DAGSTER_HOME") or not any(outcome.built for outcome in outcomes):
        return
    import dagster as dg

    from clip_pipeline.defs.partitions import register_partitions

    # Dagster announces its beta features on stderr; the person at the terminal did not ask for them.
    with contextlib.redirect_stderr(io.StringIO()), dg.DagsterInstance.get() as instance:
        for outcome in outcomes:
            step = STEPS[outcome.asset]
            if outcome.partitions:
                register_partitions(instance, step.asset, step.partitions(workspace))
            for key, materialised in outcome.partitions.items():
                if not materialised.hit:
                    instance.report_runless_asset_event(asset_event(outcome.asset, key, materialised))
    logger.info("Reported to the Dagster history in %s", os.environ["DAGSTER_HOME"])


def asset_event(asset: str, partition: str, materialised: Materialised):
    """The materialisation event of one artifact, with its content hash as data version."""
    import dagster as dg

    from clip_pipeline.defs.metadata import artifact_metadata

    return dg.AssetMaterialization(
        asset_key=asset,
        partition=partition or None,
        metadata=artifact_metadata(materialised),
        tags={"dagster/data_version": materialised.artifact.content},
    )
