"""Hashes of the user's own files and folders, which lie outside the data folder and decide what is built of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from clip_pipeline.machine.progress import waiting
from clip_pipeline.storage.disk import hash_file, hash_json
from clip_pipeline.storage.disk_faults import disk_errors


class OwnFiles:
    """Hashes of files, remembered in the data folder, and of folders, each listed once for as long as this object lives."""

    def __init__(self, root: Path):
        """root: the data folder."""
        self.root = root
        self._folders: dict[Path, str] = {}

    def hash_file(self, path: Path) -> str:
        """sha256 of a file, remembered by its size and modification time."""
        stat = path.stat()
        memory_path = self.root / ".cache" / "file_hashes.json"
        try:
            memory = json.loads(memory_path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            memory = {}
        name = str(path.absolute())
        known = memory.get(name)
        if known and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return known[2]
        with waiting(f"Hashing {path.name}"):
            memory[name] = [stat.st_size, stat.st_mtime_ns, hash_file(path)]
        with disk_errors(self.root):
            memory_path.parent.mkdir(parents=True, exist_ok=True)
            temporary = memory_path.with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(memory, indent=1, sort_keys=True))
            temporary.replace(memory_path)
        return memory[name][2]

    def hash_folder(self, folder: Path) -> str:
        """A hash of the names, sizes and times of all files below a folder."""
        if folder not in self._folders:
            self._folders[folder] = hash_json(_entries(folder))
        return self._folders[folder]


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
