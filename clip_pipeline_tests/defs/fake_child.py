"""A child of `own_process.py` whose builds do what their partition says: quick to start, and as long as a test wants."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import warnings

from clip_pipeline.defs.own_process_child import serve
from clip_pipeline.errors import DumpError, Materialise
from clip_pipeline.machine.interrupts import deferred_interrupt
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.storage.manifest import Built

SECONDS = 60
ERROR = DumpError("The dump is cut in article 7.", Materialise("wikipedia_dump", again=True))


def build(context: BuildContext) -> Built:
    logging.getLogger("clip_pipeline.fake").info("Counting with %s words at least", context.workspace.recipe.words)
    warnings.warn("this is old", stacklevel=1)
    sys.stderr.write("a line for stderr\n")
    {"error": _fail, "crash": _crash, "killed": _kill, "long": _wait, "watched": _show}.get(
        context.partition, _nothing
    )(context)
    (context.folder / "counts.txt").write_text(context.partition)
    return Built(rows={"words": 1})


def _nothing(context: BuildContext) -> None:
    """What a calm build does."""


def _fail(context: BuildContext) -> None:
    raise ERROR


def _crash(context: BuildContext) -> None:
    raise RuntimeError("nobody thought of this")


def _kill(context: BuildContext) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wait(context: BuildContext) -> None:
    """Counts in its work folder until it is told to stop, as a training does; done at once where it was told before."""
    reached = context.work / "reached.txt"
    (context.work / "pid.txt").write_text(str(os.getpid()))
    with deferred_interrupt() as interrupted:
        for step in range(SECONDS * 100 if not reached.exists() else 0):
            time.sleep(0.01)
            if interrupted():
                reached.write_text(str(step))
                logging.getLogger("clip_pipeline.fake").info("What is there is saved")
                break


def _show(context: BuildContext) -> None:
    assert context.on_progress is not None
    context.on_progress({"loss": 0.5}, b"not really a figure" * 10_000)


STEP = Step(find_asset("word_counts"), Builder(lambda workspace: {}, lambda workspace, partition: {}, build))

if __name__ == "__main__":
    serve({STEP.name: STEP}.__getitem__)
