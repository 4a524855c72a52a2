"""Counts the changes that a process and its children are about to make below a folder, and stops them all before each one.

Counted are renames, removals, new folders, links, cuts, files opened for writing, and statements that change a SQLite file, whoever
asks for them in Python (the audit events of PEP 578). While all stand still the disk holds what it would hold had they been killed
there, and `walk.py` takes a copy of it. Not seen is what native code does by itself: the writers of Arrow and PyTorch, which write into
a folder that is put in place by Python, and the writes within one of SQLite's commits, whose crash points its authors test.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VARIABLE = "CLIP_PIPELINE_CRASH_POINT"
"""Of the environment: root, counter and gate for the Python processes that the command starts (`in_children/sitecustomize.py`)."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
READING_SQL = ("SELECT", "PRAGMA", "BEGIN", "EXPLAIN")

LINE_BYTES = 49
"""Of one line of the counter: what was about to happen, and in which process."""


def stop_before_each(root: Path, counter: Path, gate: Path) -> None:
    """From now on the changes below `root` are counted in the file `counter`, a line each, and before each one the process group is
    stopped until a byte comes through the pipe `gate`."""
    os.environ[VARIABLE] = json.dumps([str(root), str(counter), str(gate)])
    children = str(Path(__file__).with_name("in_children"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (children, os.environ.get("PYTHONPATH"))))
    install(str(root), str(counter), str(gate))


def install(root: str, counter: str, gate: str) -> None:
    """`stop_before_each` for this process alone."""
    stop = _Stop(counter, gate)
    os.register_at_fork(after_in_child=stop.open)
    _watch_databases(root, stop)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            name, _, flags = arguments
            if not flags & WRITING or isinstance(name, int):
                return
            folder = -1
        elif event in CHANGES:
            name = arguments[0]
            folder = arguments[-1] if event in ("os.remove", "os.rmdir", "os.mkdir") else -1
        else:
            return
        path = _path(name, folder)
        if path.startswith(root):
            stop.before(f"{event} {path[len(root) :]}")

    sys.addaudithook(hook)


class _Stop:
    """One change at a time, of all processes and threads together."""

    def __init__(self, counter: str, gate: str):
        self._counter, self._gate = counter, gate
        self.open()

    def open(self) -> None:
        """Its own descriptors in each process: a lock belongs to the opened file, which a fork shares."""
        self._inside = True  # opening is no change of the command's
        self._lock = threading.Lock()
        self._lines = os.open(self._counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._go = os.open(self._gate, os.O_RDWR)
        self._inside = False

    def before(self, what: str) -> None:
        """Writes the line, stops everybody, and returns once they may go on."""
        with self._alone() as first:
            if first:
                os.write(self._lines, b"%-40s%8d\n" % (what.encode(errors="replace")[-40:], os.getpid()))
                os.killpg(os.getpgid(0), signal.SIGSTOP)
                os.read(self._go, 1)  # this thread may have run on for a moment

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        if self._inside and self._holder == threading.get_ident():
            yield False  # a change that the garbage collector makes meanwhile
            return
        with self._lock:
            fcntl.flock(self._lines, fcntl.LOCK_EX)
            self._inside, self._holder = True, threading.get_ident()
            try:
                yield True
            finally:
                self._inside = False
                fcntl.flock(self._lines, fcntl.LOCK_UN)

    _inside, _holder = False, 0


def _watch_databases(root: str, stop: _Stop) -> None:
    """Statements that change a SQLite file are changes too; without a transaction each is a commit of its own."""
    connect = sqlite3.connect

    def connect_watched(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection, path = connect(database, *arguments, **options), _path(database, -1)
        if path.startswith(root):
            connection.set_trace_callback(lambda statement: about_to(path[len(root) :], statement.split()))
        return connection

    def about_to(name: str, words: list[str]) -> None:
        if words and words[0].upper() not in READING_SQL:
            stop.before(f"{name}: {' '.join(words[:3])}")

    sqlite3.connect = connect_watched


def points_of(counter: Path) -> list[str]:
    """What was counted, in order."""
    if not counter.exists():
        return []
    return [line[:40].strip() for line in counter.read_text(errors="replace").split("\n")[:-1]]


def _path(name: Any, folder: int) -> str:
    """The absolute path of what an event names; of an open file or of a name below an open folder too."""
    if isinstance(name, int):
        return _of_descriptor(name)
    text = os.fsdecode(name)
    if folder is not None and folder >= 0 and not text.startswith("/"):
        return f"{_of_descriptor(folder)}/{text}"
    return os.path.abspath(text)  # noqa: PTH100 - as cheap as can be


def _of_descriptor(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    except OSError:
        return ""
