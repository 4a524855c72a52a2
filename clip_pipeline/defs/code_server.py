"""Dagster's code server, which ends when the process that holds its definitions was killed, so that it is started again.

Dagster's own goes on without that process (1.13.27): the page answers with errors and backfills stand still until somebody notices.
`python -m clip_pipeline.defs.code_server code-server start …` takes what `dagster` takes.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import threading
import time
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 1.0


def end_without_definitions(words: str = "api\0grpc") -> None:
    """Ends this process, on Linux, once no child is left whose command holds the words, after there was one."""

    def watch() -> None:
        there = False
        while (now := _has_child(words)) or not there:
            there = now
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _has_child(words: str) -> bool:
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(
            OSError
        ):  # a thread, or a child, that ended meanwhile; of a killed one the command is empty
            if any(words in Path(f"/proc/{child}/cmdline").read_text() for child in file.read_text().split()):
                return True
    return False


if __name__ == "__main__":
    end_without_definitions()
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)
