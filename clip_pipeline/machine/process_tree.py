"""A program and everything that it starts, which end together, also when the one who started it is killed.

Between starter and program stands a guard: a copy of the starter that waits for the end of either. It sees by a pipe that the
starter has ended, which works for `kill -9` too. What the program started is in the guard's group, and on Linux it becomes the
guard's child when its own parent ends, so that nothing is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS_TO_END = 30.0
"""For a program that was interrupted, and again for what it leaves, which is asked to end; then it is killed."""

SECONDS_BETWEEN_LOOKS = 0.2
PR_SET_CHILD_SUBREAPER = 36


class ProcessTree:
    """A program that runs until it ends by itself or `end` is called. To be made by a process that has no threads and no children."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], seconds: float = SECONDS_TO_END):
        """seconds: that the program is given to end. It reads no stdin, and Ctrl-C in the terminal does not reach it."""
        _adopt_orphans()
        reading, self._life_line = os.pipe()
        self.guard = os.fork()
        if self.guard == 0:
            status = 1
            try:
                os.close(self._life_line)
                status = _guard(command, environment, reading, seconds)
            finally:
                os._exit(status)
        os.close(reading)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The program's exit status once nothing of it is left, 1 where it was killed; None while something runs."""
        if self._status is None:
            ended, status = os.waitpid(self.guard, os.WNOHANG)
            if ended:
                self._status = max(os.waitstatus_to_exitcode(status), 0) or int(os.WIFSIGNALED(status))
                _kill_rest(self.guard)  # something is left where the guard itself was killed
        return self._status

    def ask_to_end(self) -> None:
        """Interrupts the program as Ctrl-C does; `poll` says when all has ended."""
        if self._life_line >= 0:
            os.close(self._life_line)
        self._life_line = -1

    def kill(self) -> None:
        """Ends everything at once."""
        if self.poll() is None:
            os.kill(self.guard, signal.SIGKILL)


def _guard(command: Sequence[str], environment: Mapping[str, str], life_line: int, seconds: float) -> int:
    os.setsid()
    _adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, lambda number, frame: None
        )  # it ends when its starter does; a program inherits no handler
    program = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    _reap(program)
    while program.returncode is None and not select.select([life_line], [], [], SECONDS_BETWEEN_LOOKS)[0]:
        _reap(program)
    if program.returncode is None:
        program.send_signal(signal.SIGINT)
        deadline = time.monotonic() + seconds
        while program.returncode is None and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            _reap(program)
    if _reap(program):
        os.killpg(os.getpgid(0), signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while _reap(program) and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    status = program.returncode
    _kill_rest(os.getpgid(0))
    return 1 if status is None or status < 0 else status


def _reap(program: subprocess.Popen | None = None) -> bool:
    """Takes note of children that have ended, those that were adopted too. Whether others are left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return True
            if program is not None and pid == program.pid:
                program.returncode = os.waitstatus_to_exitcode(status)
    return False


def _adopt_orphans() -> None:
    """On Linux, processes that descend from this one become its children when their parents end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _kill_rest(group: int) -> None:
    """Kills what is left of the group, and on Linux every child: as each ends, its own children become children of this process."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if group != os.getpgid(0) or not children.exists():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    while children.exists() and _reap():
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        time.sleep(SECONDS_BETWEEN_LOOKS / 10)
