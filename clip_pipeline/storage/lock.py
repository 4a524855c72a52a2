"""One process at a time: a lock file that the system frees when its holder ends, also when it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

MAX_OWNER_BYTES = 500
MAX_COMMAND_CHARS = 120


@contextlib.contextmanager
def exclusive_lock(
    path: Path, what: str, wait: bool = True, remove: bool = False, shared: bool = False
) -> Iterator[bool]:
    """Holds the lock file at `path`, which is made where it is missing and says who was its last holder (`owner_of`).

    what: what is being made under the lock, for the line that says whom we wait for. Without `wait`, yields False at once
    where another process has the lock, or where the file cannot be opened; with it, raises OSError for the latter. remove: the
    file goes at the end, for a lock beside files of the user's. shared: others that ask for it so hold it too.
    """
    descriptor = -1
    try:
        try:
            descriptor = _locked(path, what, wait, shared)
        except OSError:
            if wait:
                raise
        if descriptor >= 0:
            with contextlib.suppress(OSError):  # a full disk: the lock holds without its owner's name
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _this_process().encode()[:MAX_OWNER_BYTES], 0)
        yield descriptor >= 0
    finally:
        if descriptor >= 0:
            if remove:
                path.unlink(
                    missing_ok=True
                )  # before it is freed: who waits for it sees that it is gone, and makes another
            os.close(descriptor)  # the lock goes with its descriptor, also when the process is killed


def owner_of(path: Path) -> str:
    """Who holds a lock, or held it last: `1234 on host, since 2026-12-01 04:40:12: clip-pipeline run`."""
    with contextlib.suppress(OSError):
        return path.read_bytes()[:MAX_OWNER_BYTES].decode(errors="replace") or "unknown"
    return "unknown"


def _locked(path: Path, what: str, wait: bool, shared: bool) -> int:
    """The descriptor of the locked file; -1 where it is not waited for and another has it."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    os.close(descriptor)
                    return -1
                _wait_for(descriptor, kind, path, what)
            if _is_there(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder removed it as it went


def _wait_for(descriptor: int, kind: int, path: Path, what: str) -> None:
    owner = owner_of(path)
    logger.warning("Another run (process %s) is writing %s; waiting until it is done.", owner, what)
    began = time.monotonic()
    fcntl.flock(descriptor, kind)
    logger.info("It is done with %s, after %.0f s of waiting.", what, time.monotonic() - began)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _this_process() -> str:
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    if program == "__main__.py":
        program = f"python -m {Path(sys.argv[0]).parent.name}"
    command = " ".join((program, *map(shlex.quote, sys.argv[1:])))
    shown = command if len(command) <= MAX_COMMAND_CHARS else f"{command[:MAX_COMMAND_CHARS]} …"
    printable = "".join(letter if letter.isprintable() else "?" for letter in shown)
    return f"{os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}: {printable}"


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock file at this moment. Makes no file, so it can be asked of a folder that is only read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
