"""Folders that are costly to make and may be thrown away: made once for an identity, whole or not there, for all processes."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from clip_pipeline.errors import DamagedFileError
from clip_pipeline.storage.checked_json import checked_text, read_checked
from clip_pipeline.storage.disk import sync_tree, write_synced
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.freshness import wrong_file
from clip_pipeline.storage.lock import exclusive_lock
from clip_pipeline.storage.manifest import Artifact, ArtifactKey, describe_files

logger = logging.getLogger(__name__)

SMALL_BYTES = 2**20

KEPT = 2
"""Folders kept of one name unless more are wanted: the newest, and the one before for a process that still reads it."""


def user_cache() -> Path:
    """Where commands without a data folder keep such folders: CLIP_PIPELINE_CACHE, else the user's cache."""
    given = os.environ.get("CLIP_PIPELINE_CACHE")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "clip_pipeline"


def cached_folder(root: Path, name: str, identity: str, build: Callable[[Path], None], kept: int = KEPT) -> Path:
    """The folder `root`/.cache/`name`/`identity`, made by build(folder) unless it is there.

    Two processes that want it take turns, and the second finds it ready. A killed build leaves nothing at its place. One whose files
    are not those that were made, as their record beside it says, is made anew, and a line in the log says so.
    """
    place = root / ".cache" / name
    folder = place / identity[:32]
    with disk_errors(root), exclusive_lock(place / "lock", str(place)):
        if why := _why_not_whole(folder):
            if os.path.lexists(folder):
                logger.warning("%s is made anew: %s.", folder, why)
                _remove(folder)
            staging = place / ".building"
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            build(staging)
            record = checked_text({"files": describe_files(staging)})
            sync_tree(staging)
            _remove(_record(folder))
            staging.rename(folder)
            write_synced(_record(folder), record)
            older = sorted((path for path in place.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
            for path in older[:-kept]:
                shutil.rmtree(path, ignore_errors=True)
                _remove(_record(path))
    return folder


def _record(folder: Path) -> Path:
    """What the files of a folder are, written after it was put in place."""
    return folder.with_name(f"{folder.name}.json")


def _why_not_whole(folder: Path) -> str:
    """ "" where the files are those that were made, else what is wrong. Small ones are hashed each time, large ones trusted by size and
    time."""
    if folder.is_symlink() or not folder.is_dir():
        return "it is no folder"
    try:
        record = read_checked(_record(folder))
    except (FileNotFoundError, NotADirectoryError):
        return "nothing says what its files are"
    except DamagedFileError as error:
        return f"the record of its files {error}"
    if not record.has_checksum:
        return "the record of its files is not what was written"
    made = Artifact(ArtifactKey("", folder.name), folder, record.value, record.written_ns)
    wrong = (wrong_file(made, name, entry["bytes"] <= SMALL_BYTES) for name, entry in record.value["files"].items())
    return next(filter(None, wrong), "")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
