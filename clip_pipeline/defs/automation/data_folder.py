"""The sensor that runs from the start: it starts no run, and keeps the history a mirror of the data folder.

So the page knows within half a minute what was built on the command line, by a job that was killed or on another machine, which
variants, datasets and photos are new, and which keys that were typed on the page mean something.
"""

import json
import time
from collections.abc import Callable

import dagster as dg

from clip_pipeline.defs.mirror.history import History
from clip_pipeline.defs.page.sentences import page_sentence
from clip_pipeline.defs.partitions import was_defined
from clip_pipeline.defs.resources import page_workspace
from clip_pipeline.defs.typed_keys import take_away
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.sources.added_keys import ADDED_KINDS, define_key
from clip_pipeline.pipeline.sources.folder_state import folder_signature
from clip_pipeline.pipeline.workspace import Workspace

EVERY_SECONDS = 30
LONGEST_LOOK_SECONDS = 40
"""Dagster ends a tick after 60; what is left is looked at in the next."""

REST = 10
"""A look is followed by a rest of so many times what it cost, whatever happens: it takes a tenth of one core at most."""

IDLE_SECONDS, IDLE_REST = 300, 100
"""Without a sign of a change there is a look every five minutes all the same, less often where one costs more than three seconds: files
that lie outside the data folder, or were damaged in it, give no sign."""


@dg.sensor(
    name="data_folder",
    minimum_interval_seconds=EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the history a mirror of the data folder, whoever built what, and registers its partitions. Starts no run.",
)
def data_folder(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """One look, or none where nothing changed. Says what it did."""
    last = json.loads(context.cursor) if context.cursor else {}
    try:
        with page_workspace() as workspace:
            said, cursor = look(context.instance, workspace, last)
    except (
        ClipPipelineError
    ) as error:  # a broken recipe or variant, an instance of another folder: the next tick tries again
        return dg.SkipReason(page_sentence(error))
    context.update_cursor(json.dumps(cursor))
    return dg.SkipReason(said)


def look(
    instance: dg.DagsterInstance, workspace: Workspace, last: dict, now: Callable[[], float] = time.time
) -> tuple[str, dict]:
    """(what was done, the new cursor). last: the cursor of the tick before. The cost of a look is the processor's time, since its length
    says how busy the machine is with other things."""
    started, worked = now(), time.thread_time()
    if why_not := _why_not(instance, workspace, last, started):
        return why_not, last
    said = _adopt(instance, workspace)
    history, events, finished = History(instance, workspace), 0, True
    for step in STEPS.values():
        if now() - started > LONGEST_LOOK_SECONDS:
            finished = False
            said.append(f"The look took longer than {LONGEST_LOOK_SECONDS} s and goes on with the next tick.")
            break
        events += history.mirror([step])
    said.insert(0, f"{events} events written." if events else "The history says what the data folder says.")
    signature = _signature(instance, workspace) if finished else ""
    return " ".join(said), {"signature": signature, "ended": now(), "cost": time.thread_time() - worked}


def _why_not(instance: dg.DagsterInstance, workspace: Workspace, last: dict, now: float) -> str:
    """Why no look is due, "" where one is."""
    if not last or not last["signature"]:
        return ""
    rested = now - last["ended"]
    if rested < REST * last["cost"]:
        return f"The last look cost {last['cost']:.1f} s; the next comes after {REST} times as long at the earliest."
    if rested > max(IDLE_SECONDS, IDLE_REST * last["cost"]):
        return ""
    return "Nothing changed." if _signature(instance, workspace) == last["signature"] else ""


def _signature(instance: dg.DagsterInstance, workspace: Workspace) -> str:
    """Of the folder, of the keys that people added on the page, and of Dagster's last event: somebody may have wiped others."""
    added = [sorted(instance.get_dynamic_partitions(kind.value)) for kind in ADDED_KINDS]
    return json.dumps([folder_signature(workspace), added, instance.event_log_storage.get_maximum_record_id() or 0])


def _adopt(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    """Writes definitions for the keys that were added on the page and say themselves what they mean. Sentences on what was done."""
    said = []
    for kind, known in ADDED_KINDS.items():
        names = set(known(workspace)) | was_defined(instance, kind)  # those that the recipe no longer names go
        for key in sorted(set(instance.get_dynamic_partitions(kind.value)) - names):
            try:
                name = define_key(workspace, kind, key)
            except ClipPipelineError as error:
                said.append(page_sentence(error))
                continue
            if name != key:  # a path cannot be a partition; the mirror registers the name
                take_away(instance, kind.value, key)
            said.append(f"{key}, added on the page to {kind.value}, is defined in the data folder now, as {name}.")
    return said
