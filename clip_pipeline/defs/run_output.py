"""What a run writes to its terminal, kept for the page.

Dagster (1.13.27) hands it on to the terminal by a `tail` for each stream, and starts another process after it that ends the `tail` of a
killed run: where the run is killed between the two, the `tail` stays for ever. Here a thread does it, which ends with the run.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from dagster import DagsterInstance
from dagster._core.execution.compute_logs import _fileno, redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

SECONDS_BETWEEN_LOOKS = 0.2


class RunOutput(LocalComputeLogManager):
    """Named in dagster.yaml. Keeps the files where Dagster does, in the folder `storage` of the instance."""

    def __init__(self, inst_data: ConfigurableClassData | None = None):
        super().__init__("storage", inst_data=inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RunOutput":
        return cls(inst_data)

    def register_instance(self, instance: DagsterInstance) -> None:
        super().register_instance(instance)
        self._base_dir = str(Path(instance.root_directory) / "storage")

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        out, err = (
            Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]))
            for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR)
        )
        with _kept(sys.stdout, out), _kept(sys.stderr, err):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()


@contextlib.contextmanager
def _kept(stream: TextIO, path: Path) -> Iterator[None]:
    """What is written to the stream goes to the end of a file, and from there to where it would have gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    descriptor = _fileno(stream)
    with contextlib.ExitStack() as opened:
        if descriptor is not None:
            written = opened.enter_context(path.open("rb"))
            written.seek(0, os.SEEK_END)
            terminal = opened.enter_context(os.fdopen(os.dup(descriptor), "wb", buffering=0))
            opened.enter_context(_handed_on(written, terminal))
        with redirect_to_file(stream, str(path)):
            yield


@contextlib.contextmanager
def _handed_on(written: BinaryIO, terminal: BinaryIO) -> Iterator[None]:
    ended = threading.Event()

    def hand_on() -> None:
        last = False
        while not last:
            last = ended.wait(SECONDS_BETWEEN_LOOKS)
            try:
                terminal.write(written.read())
            except OSError:  # the terminal is gone; the file has it all
                return

    thread = threading.Thread(target=hand_on, name="output to the terminal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
