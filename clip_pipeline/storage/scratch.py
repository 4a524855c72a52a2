"""What a killed process leaves and must not stay for ever: temporary folders, which the next command removes, and pieces of an artifact,
which the next try goes on from and its publication uses up.

.work/<stage>/<asset>/<partition>/pieces/<fingerprint>/   pieces of a try with these settings and inputs
.work/<stage>/<asset>/<partition>/pieces/shared-<name>/   of use to a try with others too
.work/<stage>/<asset>/<partition>/pieces-used/            all of them, while the artifact that they became takes its place
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.storage.disk import remove_at_once
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


# ---- pieces of an artifact that is not finished

PIECES, USED_PIECES, REMOVED = "pieces", "pieces-used", ".removed"

GONE = "gone"
"""Among the pieces: what is being removed."""

SHARED = "shared-"
"""Begins the names of pieces that are of use whatever the fingerprint."""


def shared_pieces(pieces: Path, name: str) -> Path:
    """The folder, beside the work folders, of pieces that a try with another fingerprint may use as well."""
    return pieces / f"{SHARED}{name}"


def used_pieces(pieces: Path) -> Path:
    """Where the pieces lie once the artifact is whole: beside a published one they are of no use."""
    return pieces.with_name(USED_PIECES)


def set_aside_used(pieces: Path) -> None:
    """In one step; a build may have removed them itself."""
    if pieces.exists():
        pieces.rename(used_pieces(pieces))


def work_folder(pieces: Path, fingerprint: str) -> Path:
    """`pieces/<fingerprint>`, made where it is missing; pieces of other fingerprints are of no use any more and are removed. Call it
    with the lock of the artifact held."""
    work, used = pieces / fingerprint[:16], used_pieces(pieces)
    if used.exists() and not pieces.exists():
        used.rename(pieces)  # killed between the last piece and the publication
    shutil.rmtree(used, ignore_errors=True)
    if pieces.exists():
        for other in pieces.iterdir():
            if other != work and not other.name.startswith(SHARED):
                remove_at_once(other, pieces / GONE)
    work.mkdir(parents=True, exist_ok=True)
    return work
