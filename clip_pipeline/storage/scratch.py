"""Temporary folders that a killed process does not leave for ever: the next command removes them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.storage.lock import exclusive_lock


@contextlib.contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """An empty folder below the system's folder for temporary files, removed at the end; name: what it is for, as part of a file name.

    What processes of the same user left that were killed is removed first.
    """
    place = _place()
    with contextlib.ExitStack() as held:
        with _looked_through(place):
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-", dir=place)))
            held.enter_context(exclusive_lock(folder / "lock", str(folder)))
        files = folder / "files"
        files.mkdir()
        yield files


def sweep_scratch() -> None:
    """Removes what killed processes left, for commands that may make no temporary folder themselves."""
    if _place().exists():
        with _looked_through(_place()):
            pass


def _place() -> Path:
    return Path(tempfile.gettempdir(), f"clip_pipeline_{os.getuid()}")


@contextlib.contextmanager
def _looked_through(place: Path) -> Iterator[None]:
    """Without the folders of killed processes; one process at a time, for between its making and its lock a folder looks left."""
    with exclusive_lock(place / "lock", str(place)):
        for left in place.glob("*-*/"):
            with exclusive_lock(left / "lock", "", wait=False) as nobody_uses_it:
                if nobody_uses_it:
                    shutil.rmtree(left, ignore_errors=True)
        yield
