"""Programs and everything that they start, which end together, also when the one who started them is killed.

Between starter and programs stands a guard: a copy of the starter that waits for the end of either. It sees by a pipe that the
starter has ended, which works for `kill -9` too. What the programs start is in the guard's group, and on Linux it becomes the
guard's child when its own parent ends, so that nothing is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

SECONDS_TO_END = 30.0
"""For programs that were interrupted, and again for what they leave, which is asked to end; then it is killed."""

SECONDS_OF_HEALTH = 20.0
"""A program that ran so long and then ended, or that was killed, is started again. One that ended before by itself cannot be started."""

SECONDS_BETWEEN_LOOKS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Program:
    """One of the programs. name: in a sentence. after: a path that must exist before it is started; the program ends before those
    without."""

    name: str
    command: Sequence[str]
    after: Path | None = None


class ProcessTree:
    """Programs that run until `ask_to_end`, or one of them cannot be started. To be made by a process without threads and children."""

    def __init__(self, programs: Sequence[Program], environment: Mapping[str, str], seconds: float = SECONDS_TO_END):
        """seconds: that they are given to end. They read no stdin, and Ctrl-C in the terminal does not reach them."""
        _adopt_orphans()
        reading, self._life_line = os.pipe()
        self.guard = os.fork()
        if self.guard == 0:
            status = 1
            try:
                os.close(self._life_line)
                status = _Guard(programs, environment, reading, seconds).run()
            finally:
                os._exit(status)
        os.close(reading)
        self._status: int | None = None

    def poll(self) -> int | None:
        """The exit status of the first program that ended, 1 where the guard was killed, once nothing is left; None while something runs."""
        if self._status is None:
            ended, status = os.waitpid(self.guard, os.WNOHANG)
            if ended:
                self._status = max(os.waitstatus_to_exitcode(status), 0) or int(os.WIFSIGNALED(status))
                _kill_rest(self.guard)  # something is left where the guard itself was killed
        return self._status

    def ask_to_end(self) -> None:
        """Interrupts the programs as Ctrl-C does; `poll` says when all has ended."""
        if self._life_line >= 0:
            os.close(self._life_line)
        self._life_line = -1

    def kill(self) -> None:
        """Ends everything at once."""
        if self.poll() is None:
            os.kill(self.guard, signal.SIGKILL)


class _Guard:
    def __init__(
        self, programs: Sequence[Program], environment: Mapping[str, str], life_line: int, seconds: float
    ) -> None:
        self.programs, self.environment, self.life_line, self.seconds = programs, environment, life_line, seconds
        self.running: dict[int, tuple[Program, float]] = {}
        self.ended: list[int] = []

    def run(self) -> int:
        os.setsid()
        _adopt_orphans()
        for number in SIGNALS:
            signal.signal(number, lambda number, frame: None)  # it ends when its starter does
        waiting = list(self.programs)
        while not self.ended and not select.select([self.life_line], [], [], SECONDS_BETWEEN_LOOKS)[0]:
            for program in [one for one in waiting if one.after is None or one.after.exists()]:
                waiting.remove(program)
                self._start(program)
            self._look(may_start=True)
        self._end([pid for pid, (program, _) in self.running.items() if program.after])
        self._end(list(self.running))
        if self._look():
            os.killpg(os.getpgid(0), signal.SIGTERM)
            self._wait_while(lambda: True)
        _kill_rest(os.getpgid(0))
        return self.ended[0] if self.ended and self.ended[0] >= 0 else 1

    def _start(self, program: Program) -> None:
        no_stdin = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        pid = os.posix_spawn(
            program.command[0], list(program.command), self.environment, file_actions=[no_stdin], setsigdef=SIGNALS
        )
        self.running[pid] = program, time.monotonic()

    def _end(self, pids: Sequence[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGINT)
        self._wait_while(lambda: not self.running.keys().isdisjoint(pids))

    def _look(self, may_start: bool = False) -> bool:
        """Takes note of programs that have ended. may_start: them again. Whether anything is left."""
        ended, some_are_left = _ended_children()
        for pid, status in ended:
            if pid not in self.running:
                continue
            program, began = self.running.pop(pid)
            if may_start and (status < 0 or time.monotonic() - began >= SECONDS_OF_HEALTH):
                logger.warning("%s ended (exit status %d) and is started again.", program.name, status)
                self._start(program)
            else:
                self.ended.append(status)
        return some_are_left

    def _wait_while(self, some_run: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.seconds
        while self._look() and some_run() and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _ended_children() -> tuple[list[tuple[int, int]], bool]:
    """Number and exit status of each child that has ended, those that were adopted too; whether others are left."""
    ended = []
    try:
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append((child[0], os.waitstatus_to_exitcode(child[1])))
    except ChildProcessError:
        return ended, False
    return ended, True


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
    while children.exists() and _ended_children()[1]:
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        time.sleep(SECONDS_BETWEEN_LOOKS / 10)
