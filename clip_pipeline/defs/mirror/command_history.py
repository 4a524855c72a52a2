"""What a run from the command line says to Dagster's history. Dagster is imported only where there is something to say: it takes a second."""

import contextlib
import io
import logging
import os
from collections.abc import Sequence

from clip_pipeline.errors import StoreError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.workspace import Workspace

logger = logging.getLogger(__name__)


def no_history(workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
    """For `--no-history`."""


def report_run(workspace: Workspace, outcomes: Sequence[AssetOutcome]) -> None:
    """Makes the history of DAGSTER_HOME a mirror of the data folder, and says what the checks found, where the run built anything.

    Without DAGSTER_HOME nothing is reported: the page finds by itself what was built. The history of another folder is left alone,
    and a warning says so.
    """
    built = [done for outcome in outcomes for done in outcome.partitions.values() if not done.hit]
    if not os.environ.get("DAGSTER_HOME") or not built:
        return
    import dagster as dg

    from clip_pipeline.defs.mirror.history import History

    # Dagster announces its beta features on stderr; the person at the terminal did not ask for them.
    with contextlib.redirect_stderr(io.StringIO()), dg.DagsterInstance.get() as instance:
        try:
            History(instance, workspace).mirror(STEPS.values(), {done.artifact.key: done.reason for done in built})
        except StoreError as error:
            logger.warning("Nothing of this run was reported to Dagster. %s", error)
            return
    logger.info("Reported to the Dagster history in %s", os.environ["DAGSTER_HOME"])
