"""How bytes reach the disk whole: synced writes, a folder put in place in one step, and hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any


def hash_json(value: Any) -> str:
    """sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def previous_of(folder: Path) -> Path:
    """Where the old folder waits while the new one takes its place."""
    return folder.with_name(f".{folder.name}.previous")


def swap_in(staging: Path, target: Path) -> None:
    """Puts `staging` where `target` is. Killed at any point, `restore_previous` brings back the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    previous = previous_of(target)
    shutil.rmtree(previous, ignore_errors=True)
    if target.exists():
        target.rename(previous)
    staging.rename(target)
    sync_path(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def restore_previous(folder: Path, mark: str) -> None:
    """Undoes half a publication, ends one whose old folder is still there; call with the artifact's lock held.

    mark: the file that a whole folder has.
    """
    previous = previous_of(folder)
    if (folder / mark).exists():
        shutil.rmtree(previous, ignore_errors=True)
    elif previous.exists():
        shutil.rmtree(folder, ignore_errors=True)
        previous.rename(folder)


def write_synced(path: Path, text: str) -> None:
    """Writes a text and returns when it is on the disk."""
    with path.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def sync_tree(folder: Path) -> None:
    """Returns when the folder and all below it are on the disk."""
    for path in folder.rglob("*"):
        sync_path(path)  # fsync works on a read-only descriptor of a file too
    sync_path(folder)


def sync_path(path: Path) -> None:
    """Returns when one file, or the list of one folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_at_once(folder: Path, away: Path) -> None:
    """Removes a folder by way of `away`: killed in the middle, it is there whole or not at all, and what lies at `away` is of no use."""
    shutil.rmtree(away, ignore_errors=True)
    away.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rename(away)
    shutil.rmtree(away, ignore_errors=True)
