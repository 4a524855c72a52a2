"""Dagster's own way to start runs, and a look whether they still can be running.

A run ends with the code server that started it (`machine/parent_process.py`). Where that was killed, or the machine went down, nobody is
left who would say so: Dagster's own launcher has no answer to the daemon that asks, and the run would hold its pool for ever.
"""

import grpc
from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus


class WatchedRunLauncher(DefaultRunLauncher):
    """Named in dagster.yaml. The daemon's run monitoring asks it about every run that has begun."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Failed where nobody listens at the address of the code server that started the run; one that is only slow is left alone."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:  # started without a code server, as by `dg launch`
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError as error:
            cause = error.__cause__
            if isinstance(cause, grpc.RpcError) and cause.code() == grpc.StatusCode.UNAVAILABLE:
                return CheckRunHealthResult(WorkerStatus.FAILED, "The code server that started it is gone.")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
