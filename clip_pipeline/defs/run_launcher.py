"""Dagster's own way to start runs, and a look whether they still can be running.

A run ends with the code server that started it (`machine/parent_process.py`). Where that was killed, or the machine went down, nobody is
left who would say so: Dagster's own launcher has no answer to the daemon that asks, and the run would hold its pool for ever. A code server
that was started again listens where the killed one did and knows nothing of its runs, so the run's own process is looked for too.
"""

import json

import grpc
from dagster import DagsterEventType, DagsterRun, DefaultRunLauncher, TextMetadataValue
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from clip_pipeline.defs.typed_keys import give_back
from clip_pipeline.machine.running_process import still_runs

MAX_EVENTS = 20
"""Of Dagster's own about a run; the first of them says which process was started for it."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Named in dagster.yaml. The daemon's run monitoring asks it about every run that has begun."""

    def launch_run(self, context: LaunchRunContext) -> None:
        give_back(self._instance, context.dagster_run.tags)
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Failed where nobody listens at the address of the code server that started the run, or the process that it started for it is
        gone; one that is only slow is left alone. Dagster looks once more whether the run has ended meanwhile."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:  # started without a code server, as by `dg launch`
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError as error:
            cause = error.__cause__
            if isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.UNAVAILABLE:
                return CheckRunHealthResult(WorkerStatus.FAILED, "The code server that started it is gone.")
        process = self._process_of(run)
        if process is not None and not still_runs(*process):
            return CheckRunHealthResult(WorkerStatus.FAILED, f"Its process ({process[0]}) is gone.")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _process_of(self, run: DagsterRun) -> tuple[int, float] | None:
        """The number of the process that the run was given, and when that was said; None where it is not known, or on another machine."""
        if "socket" not in json.loads(run.tags.get(GRPC_INFO_TAG, "{}")):
            return None
        events = self._instance.get_records_for_run(
            run.run_id, of_type=DagsterEventType.ENGINE_EVENT, limit=MAX_EVENTS, ascending=True
        )
        for record in events.records:
            event = record.event_log_entry.dagster_event
            pid = event.engine_event_data.metadata.get("pid") if event is not None else None
            if isinstance(pid, TextMetadataValue) and pid.text:
                return int(pid.text), record.timestamp
        return None
