"""The states of the disk that a calm run goes through: a copy of each, taken while all of its processes stand still."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline_tests.crash_points.points import LINE_BYTES, points_of

FRESH_SECONDS = 0.1
"""A file that was written so lately may be written again within the same tick of its time; its bytes are read."""


@dataclass(frozen=True)
class State:
    """number: of the change before which the disk looked so, from 1. change: what it was. folder: the copy."""

    number: int
    change: str
    folder: Path


class Recorder:
    """Lets a stoppable command run and takes the states.

    A state that was seen before is not taken again: what a command does next depends on what lies on the disk, so it would do the
    same again. What lies in a lock file only names its last holder. wanted(number): whether that one is taken.
    """

    def __init__(self, root: Path, place: Path, wanted: Callable[[int], bool]) -> None:
        self.root, self.place, self.wanted = root, place, wanted
        self.counter, self.gate = place / "points", place / "gate"
        self.states: list[State] = []
        self._seen: set[str] = set()
        self._hashes: dict[tuple, str] = {}
        os.mkfifo(self.gate)
        self._go = os.open(self.gate, os.O_RDWR)

    def follow(self, child: int) -> int:
        """The exit status of the command that runs in `child`, the head of its process group."""
        while True:
            _, status = os.waitpid(child, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                os.close(self._go)
                return os.waitstatus_to_exitcode(status)
            _wait_until_all_stand_still(child)
            self._take(self.counter.stat().st_size // LINE_BYTES)
            os.killpg(child, signal.SIGCONT)
            os.write(self._go, b"1")

    @property
    def points(self) -> int:
        """How many changes there were."""
        return len(points_of(self.counter))

    def _take(self, number: int) -> None:
        if not self.wanted(number):
            return
        change = points_of(self.counter)[-1]
        state = self._state()
        if state in self._seen:
            return
        self._seen.add(state)
        copy = self.place / f"state_{number}"
        shutil.copytree(self.root, copy, symlinks=True)
        self.states.append(State(number, change, copy))

    def _state(self) -> str:
        """A hash of names, times and contents; files that nobody touched are read once."""
        found, now = hashlib.sha256(), time.time()
        for folder, folders, files in os.walk(self.root):
            folders.sort()
            found.update(f"{folder}\n".encode())
            for name in sorted(files):
                path = os.path.join(folder, name)  # noqa: PTH118
                if name.endswith("lock"):
                    found.update(name.encode())
                    continue
                told = os.lstat(path)  # noqa: PTH116
                key = (path, told.st_size, told.st_mtime_ns, told.st_ino)
                if key not in self._hashes or now - told.st_mtime < FRESH_SECONDS:
                    self._hashes[key] = _content(Path(path))
                found.update(f"{name} {told.st_mode} {told.st_mtime_ns} {self._hashes[key]}\n".encode())
        return found.hexdigest()


def _content(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return str(path.readlink()) if path.is_symlink() else "special"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _wait_until_all_stand_still(group: int) -> None:
    """The signal reaches the processes of the group one after the other."""
    while any(state not in "TZ" for state in _group_states(group)):
        time.sleep(0.0005)


def _group_states(group: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(of) == group:
            found.append(state)
    return found
