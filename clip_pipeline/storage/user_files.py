"""Hashes of the user's own files and folders, which lie outside the data folder and decide what is built of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from clip_pipeline.machine.progress import waiting
from clip_pipeline.storage.disk import hash_file, hash_json
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.remembered import recall, remember

MOMENT_NS = 2 * 10**9
"""Within which two changes of a file may show the same time, on the coarsest disks there are (FAT)."""

TICK_NS = 2 * 10**7
"""The same on disks that count nanoseconds: the system's clock moves every 1 to 10 ms."""


MAX_LISTS = 10
"""Of a folder that changes all the time."""


class UserFiles:
    """Hashes of files, remembered in the data folder, and of folders, each listed once for as long as this object lives."""

    def __init__(self, root: Path):
        """root: the data folder."""
        self.root = root
        self._folders: dict[Path, str] = {}

    def hash_file(self, path: Path) -> str:
        """sha256 of a file, remembered by its size and modification time.

        One that was changed in the moment before is not remembered: another change in the same moment would not show (git calls such
        a file racily clean).
        """
        began, state = time.time_ns(), path.stat()
        memory_path = self.root / ".cache" / "file_hashes.json"
        memory = recall(memory_path, _are_hashes)
        name = str(path.absolute())
        known = memory.get(name)
        if known and known[:2] == [state.st_size, state.st_mtime_ns]:
            return known[2]
        with waiting(f"Hashing {path.name}"):
            found = hash_file(path)
        if state.st_mtime_ns < began - MOMENT_NS and path.stat().st_mtime_ns == state.st_mtime_ns:
            with disk_errors(self.root):
                remember(memory_path, {**memory, name: [state.st_size, state.st_mtime_ns, found]})
        return found

    def hash_folder(self, folder: Path) -> str:
        """A hash of the names, sizes and times of all files below a folder."""
        if folder not in self._folders:
            self._folders[folder] = hash_json(_settled_entries(folder))
        return self._folders[folder]


def _are_hashes(memory: dict[str, Any]) -> bool:
    return all(
        type(known) is list and list(map(type, known)) == [int, int, str] and len(known[2]) == 64
        for known in memory.values()
    )


def _settled_entries(folder: Path) -> list[list[str | int]]:
    """The entries, listed again where a file was changed in the moment of the list: what is changed after it shows another time."""
    entries = []
    for _ in range(MAX_LISTS):
        began, entries = time.time_ns(), _entries(folder)
        newest = max((int(entry[2]) for entry in entries), default=0)
        if not began - TICK_NS <= newest <= time.time_ns():
            break
        time.sleep(TICK_NS / 1e9)
    return entries


def _entries(folder: Path) -> list[list[str | int]]:
    entries: list[list[str | int]] = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            try:
                state = file.stat()
            except FileNotFoundError:  # a link to nothing, such as editors leave
                state = file.lstat()
            entries.append([file.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns])
    return entries
