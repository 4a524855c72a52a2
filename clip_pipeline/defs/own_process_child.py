"""The process that `own_process.py` starts: builds one artifact, and tells Dagster by Pipes how it goes.

It imports no more of Dagster than `dagster_pipes`, and ends when the process that started it does.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from dagster_pipes import (
    PipesContext,
    PipesEnvVarParamsLoader,
    PipesMessage,
    PipesMessageWriter,
    PipesMessageWriterChannel,
    PipesParams,
    PipesStreamMessageWriterChannel,
    open_dagster_pipes,
)

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.machine.interrupts import end_as_ctrl_c_does, signal_of
from clip_pipeline.machine.parent_process import end_with_process
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import recipe_of_text
from clip_pipeline.settings.environment import page_roots


class _WholeLines(PipesStreamMessageWriterChannel):
    """One message a line; those of several threads do not mix."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        self._lock, self._lines = threading.Lock(), stream

    def write_message(self, message: PipesMessage) -> None:
        with self._lock:
            super().write_message(message)
            self._lines.flush()


class _Descriptor(PipesMessageWriter):
    """Writes to the pipe whose number the other side names."""

    @contextmanager
    def open(self, params: PipesParams) -> Iterator[PipesMessageWriterChannel]:
        os.set_inheritable(params["descriptor"], False)  # the other side reads until nobody has it open
        with os.fdopen(params["descriptor"], "w", encoding="utf-8") as stream:
            yield _WholeLines(stream)


class _RunLog(logging.Handler):
    """Hands log lines to the run's log."""

    def __init__(self, pipes: PipesContext):
        super().__init__()
        self._pipes = pipes

    def emit(self, record: logging.LogRecord) -> None:
        self._pipes.log.log(record.levelno, "%s", record.getMessage())


def serve(find_step: Callable[[str], Step], load: Callable[[], object] = lambda: None) -> None:
    """Builds what the other side asks for, and exits. find_step(asset): builds it. load(): what can be done before it is asked."""
    end_with_process(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job hands an ignored one on
    end_as_ctrl_c_does()
    try:
        load()
        asked = sys.stdin.readline()  # "" where nobody needs this process any more
        if asked:
            os.environ.update(json.loads(asked))
            _build(find_step)
    except KeyboardInterrupt as interruption:
        sys.exit(128 + signal_of(interruption))


def _build(find_step: Callable[[str], Step]) -> None:
    interruption = None
    with open_dagster_pipes(params_loader=PipesEnvVarParamsLoader(), message_writer=_Descriptor()) as pipes:
        _log_to(pipes)
        try:
            _materialise(pipes, find_step(pipes.get_extra("asset")))
        except ClipPipelineError as error:
            pipes.report_custom_message({"error": base64.b64encode(pickle.dumps(error)).decode()})
        except KeyboardInterrupt as pressed:  # the other side is told of an end in order
            interruption = pressed
    if interruption is not None:
        raise interruption


def _materialise(pipes: PipesContext, step: Step) -> None:
    def show(asset: str, partition: str, numbers: Mapping[str, float], image: bytes) -> None:
        encoded = base64.b64encode(image).decode()
        pipes.report_custom_message({"progress": dict(numbers), "image": encoded})

    recipe = recipe_of_text(pipes.get_extra("recipe"))
    key, force, first = (pipes.get_extra(name) for name in ("partition", "force", "first"))
    with Workspace(pipes.get_extra("data_folder"), recipe, roots=page_roots()) as workspace:
        done = step.materialise(workspace, key, force, first, show if pipes.get_extra("watched") else None)
    pipes.report_custom_message({"hit": done.hit, "reason": done.reason, "seconds": done.seconds})


def _log_to(pipes: PipesContext) -> None:
    logging.captureWarnings(True)
    logging.getLogger().addHandler(_RunLog(pipes))
    logging.getLogger("clip_pipeline").setLevel(logging.INFO)


if __name__ == "__main__":
    from clip_pipeline.models.torchvision_operators import load_open_clip
    from clip_pipeline.pipeline.graph import STEPS

    serve(STEPS.__getitem__, load_open_clip)
