"""Temporary folders that a killed process does not leave for ever: the next one of the same name removes them."""

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
    """An empty folder below the system's folder for temporary files, removed at the end.

    Those of the same name and user whose processes were killed are removed first; name: what it is for, as part of a file name.
    """
    place = Path(tempfile.gettempdir(), f"clip_pipeline_{os.getuid()}")
    with contextlib.ExitStack() as held:
        with exclusive_lock(place / f"{name}.lock", str(place)):  # between its making and its lock a folder looks left
            for left in place.glob(f"{name}-*"):
                with exclusive_lock(left / "lock", "", wait=False) as nobody_uses_it:
                    if nobody_uses_it:
                        shutil.rmtree(left, ignore_errors=True)
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-", dir=place)))
            held.enter_context(exclusive_lock(folder / "lock", str(folder)))
        files = folder / "files"
        files.mkdir()
        yield files
