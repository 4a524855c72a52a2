"""Counts the changes that a process and its children are about to make below a folder, and kills them all before one of them.

Counted are renames, removals, new folders, links, cuts, and files opened for writing, whoever asks for them in Python (the audit
events of PEP 578). Not seen is what native code does by itself: the writers of Arrow and PyTorch, which write into a folder that is
put in place by Python, and SQLite, whose own crash points its authors test.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

VARIABLE = "CLIP_PIPELINE_CRASH_POINT"
"""Of the environment: root, counter and number for the Python processes that the command starts (`in_children/sitecustomize.py`)."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")


def kill_before(root: Path, counter: Path, number: int) -> None:
    """From now on the changes below `root` are counted in the file `counter`, a byte each; before the one of that number (from 1; 0 is
    none) the process group is killed."""
    os.environ[VARIABLE] = json.dumps([str(root), str(counter), number])
    children = str(Path(__file__).with_name("in_children"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (children, os.environ.get("PYTHONPATH"))))
    install(str(root), str(counter), number)


def install(root: str, counter: str, number: int) -> None:
    """`kill_before` for this process alone."""
    descriptor = os.open(counter, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    own = os.getpid

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
        if _path(name, folder).startswith(root):
            os.write(descriptor, b"%-40s%8d\n" % (f"{event} {_path(name, folder)[len(root) :]}".encode()[-40:], own()))
            if os.fstat(descriptor).st_size // LINE_BYTES == number:
                os.killpg(os.getpgid(0), signal.SIGKILL)

    sys.addaudithook(hook)


LINE_BYTES = 49
"""Of one line of the counter: what was about to happen, and in which process."""


def points_of(counter: Path) -> list[str]:
    """What was counted, in order."""
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
