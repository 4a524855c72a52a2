"""Builds an artifact in a process of its own, by Dagster Pipes: cancelling reaches it, its end gives all memory back.

The store's protocol is the child's (`own_process_child.py`): it holds the lock, fills the staging folder and publishes, so whichever
process is killed, the artifact is as after a killed run. Why so: `docs/decisions/0023-training-in-a-process-of-its-own.md`.
"""

import base64
import json
import pickle
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import dagster as dg

from clip_pipeline.defs.waiting_child import WaitingChild
from clip_pipeline.errors import BuildProcessError, SettingsError
from clip_pipeline.pipeline.step import OnProgress, Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, recipe_of_text, settings_text
from clip_pipeline.storage.artifacts import Materialised

SECONDS_TO_STOP = 60.0
"""After a cancellation: for the training step that is under way, and for writing its state. Then the process is killed."""

Context = dg.AssetExecutionContext | dg.OpExecutionContext


def in_own_process(step: Step, context: Context, start: Callable[[], WaitingChild] = WaitingChild) -> Step:
    """The step as Dagster takes it: in a process of its own where its declaration says so, else as it is. start(): the process."""
    return OwnProcessStep(step.asset, step.builder, context, start) if step.asset.own_process else step


@dataclass(frozen=True)
class OwnProcessStep(Step):
    """A step whose artifacts are built in processes of their own. context: of the Dagster step. start(): one of the processes."""

    context: Any = None
    start: Callable[[], WaitingChild] = WaitingChild

    def materialise(
        self,
        workspace: Workspace,
        partition: str = "",
        force: bool = False,
        first: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Materialised:
        """As `Step.materialise`; a fresh artifact starts no process.

        Log lines of the process go to the run's log, its stdout and stderr are those of this one. Cancelling the run interrupts it as
        Ctrl-C does. Raises its errors as they are, and BuildProcessError where it ends without a word.
        """
        if not force and not workspace.store.why_stale(self.key(partition), self.wanted(workspace, partition)):
            return super().materialise(workspace, partition, force, first, on_progress)
        asked = {
            "data_folder": str(workspace.store.root),
            "recipe": _text_of(workspace.recipe),
            "asset": self.name,
            "partition": partition,
            "force": force,
            "first": first,
            "watched": on_progress is not None,
        }
        outcome: dict[str, Any] = {}
        with _running_child(self.context, self.start(), asked) as (messages, handle, process):
            for message in messages:
                said = message["params"]["payload"] if message["method"] == "report_custom_message" else {}
                if not said:
                    handle(message)
                elif "progress" in said and on_progress is not None:
                    on_progress(self.name, partition, said["progress"], base64.b64decode(said["image"]))
                else:
                    outcome = said
            status = process.wait()
        if "error" in outcome:
            raise pickle.loads(base64.b64decode(outcome["error"]))
        if not outcome:
            raise BuildProcessError(_ended_early(str(self.key(partition)), status))
        artifact = workspace.get(self.name, partition)
        return Materialised(artifact, outcome["hit"], outcome["reason"], outcome["seconds"])


def _text_of(recipe: Recipe) -> str:
    text = settings_text(recipe)
    if recipe_of_text(text) != recipe:
        raise SettingsError(
            f"The recipe {recipe.name} holds a value that is not the same after it was written as JSON: {text}"
        )
    return text


def _ended_early(what: str, status: int) -> str:
    if status == -signal.SIGKILL:
        why = "was killed, most often because the machine's memory ran out"
    elif status < 0:
        why = f"was ended by the signal {signal.Signals(-status).name}"
    else:
        why = f"ended with the exit status {status}; the log above and its stderr say why"
    return f"The process that builds {what} {why}. What it had saved is kept: materialise it again to go on from there."


class _Pipe(dg.PipesMessageReader):
    """Messages through a pipe instead of Dagster's file.

    A file outlives a killed run, is looked at a hundred times a second for hours, and is read in the middle of a long line, such
    as one with a figure; and the end of a pipe says that the process has ended.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, Any]]:
        yield {"descriptor": self._descriptor}

    def no_messages_debug_text(self) -> str:
        return "Its messages come through a pipe."


@contextmanager
def _running_child(
    context: Context, child: WaitingChild, asked: dict[str, Any]
) -> Iterator[tuple[Iterator[Any], Any, Any]]:
    """(messages, Dagster's own way with a message, process): the process is stopped at the end, where it has not ended."""
    process = child.process
    try:
        with (
            child.messages as stream,
            dg.open_pipes_session(context, dg.PipesEnvContextInjector(), _Pipe(child.descriptor), asked) as session,
        ):
            child.tell(session.get_bootstrap_env_vars())
            lines: queue.SimpleQueue[str] = queue.SimpleQueue()
            threading.Thread(target=_read_lines, args=(stream, lines), daemon=True).start()
            # no generator: after an interruption it would give nothing more
            messages = map(json.loads, iter(lines.get, ""))
            handle = session.message_handler.handle_message
            try:
                yield messages, handle, process
            finally:
                if process.poll() is None:
                    _stop(process)
                    for message in messages:
                        handle(message)
    finally:
        child.close()


def _read_lines(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """In a thread of its own, which no interruption meets in the middle of a line. The last one is empty."""
    for line in stream:
        lines.put(line)
    lines.put("")


def _stop(process: subprocess.Popen) -> None:
    try:
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except BaseException:  # interrupted once more: nobody wants to wait
        process.kill()
        raise
