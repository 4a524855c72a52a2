"""A message when a run failed: a command of the user's own is handed what happened. Stopped until someone turns it on."""

import json
import os
import shlex
import subprocess
from collections.abc import Sequence

import dagster as dg

from clip_pipeline.defs.walk import op_name
from clip_pipeline.pipeline.graph import STEPS

COMMAND = "CLIP_PIPELINE_ON_FAILURE"
"""The environment variable with the command, such as `/usr/local/bin/notify --topic clip`. It is started without a shell."""

SECONDS = 30
"""Longest that the command may take."""

MAX_SAID = 300
"""Characters of its output that a failure of it is reported with."""


@dg.run_failure_sensor(
    name="on_failure",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=f"Hands each failed run to the command of {COMMAND}, as JSON on its stdin.",
)
def on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Starts the command once a failed run. Fails the tick where the command fails, so that it is seen."""
    command = shlex.split(os.environ.get(COMMAND, ""))
    if not command:
        return dg.SkipReason(f"{COMMAND} names no command, so nobody was told of the run that failed.")
    tell(command, failure_message(context))
    return None


def failure_message(context: dg.RunFailureSensorContext) -> dict[str, str]:
    """run_id, job, asset, partition (each "" where there is none) and the sentence of the error."""
    run = context.dagster_run
    failures = context.get_step_failure_events()
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "asset": ", ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))
        or _assets_of_steps(failures),
        "partition": run.tags.get("dagster/partition", ""),
        "sentence": _sentence(failures) or context.failure_event.message or "",
    }


def tell(command: list[str], message: dict[str, str]) -> None:
    """Runs the command with the message as JSON on its stdin. Raises dg.Failure where it cannot be started, fails or takes too long."""
    try:
        done = subprocess.run(
            command, input=json.dumps(message), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise dg.Failure(f"{COMMAND}: {error}. The message was: {json.dumps(message)}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-MAX_SAID:]
        raise dg.Failure(f"{COMMAND}: {command[0]} ended with {done.returncode}: {said}")


def _assets_of_steps(failures: Sequence[dg.DagsterEvent]) -> str:
    """The assets whose steps failed; a step is named after its asset, in a job with a prefix."""
    names = {(event.step_key or "").removeprefix(op_name("")) for event in failures}
    return ", ".join(sorted(names & STEPS.keys()))


def _sentence(failures: Sequence[dg.DagsterEvent]) -> str:
    """The description of the first step that failed: a failure of ours holds the sentence that the page shows."""
    for event in failures:
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description
        if data.error:
            return data.error.message.strip()
    return ""
