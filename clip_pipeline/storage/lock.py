"""One process at a time: a lock file that the system frees when its holder ends, also when it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def exclusive_lock(path: Path, what: str, wait: bool = True) -> Iterator[bool]:
    """Holds the lock file at `path`, which is made where it is missing and holds the number of its last holder's process.

    what: what is being made under the lock, for the line that says whom we wait for. Without `wait`, yields False at once
    where another process has the lock, or where the file cannot be opened; with it, raises OSError for the latter.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        if wait:
            raise
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                yield False
                return
            owner = os.pread(descriptor, 20, 0).decode() or "unknown"
            logger.warning("Another run (process %s) is building %s; waiting until it is done.", owner, what)
            began = time.monotonic()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            logger.info("Process %s is done with %s, after %.0f s of waiting.", owner, what, time.monotonic() - began)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield True
    finally:
        os.close(descriptor)  # the lock goes with its descriptor, also when the process is killed
