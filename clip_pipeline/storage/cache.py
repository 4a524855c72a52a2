"""Folders that are costly to make and may be thrown away: made once for an identity, whole or not there, for all processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from clip_pipeline.storage.disk import sync_tree
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.lock import exclusive_lock

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

    Two processes that want it take turns, and the second finds it ready. A killed build leaves nothing at its place.
    """
    place = root / ".cache" / name
    folder = place / identity[:32]
    with disk_errors(root), exclusive_lock(place / "lock", str(place)):
        if not folder.is_dir():
            staging = place / ".building"
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            build(staging)
            sync_tree(staging)
            staging.rename(folder)
            older = sorted((path for path in place.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
            for path in older[:-kept]:
                shutil.rmtree(path, ignore_errors=True)
    return folder
