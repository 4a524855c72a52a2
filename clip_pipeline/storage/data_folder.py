"""Everything that lies in a data folder: where its artifacts are, and what belongs to none of them. Reads only."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.damage import Finding, Kind, lock_file
from clip_pipeline.storage.lock import is_locked
from clip_pipeline.storage.manifest import MANIFEST, ArtifactKey
from clip_pipeline.storage.manifest_file import SET_ASIDE
from clip_pipeline.storage.scratch import PIECES, USED_PIECES

MAX_LEVELS = 2
"""Of folders that a partition's key has."""

_PREVIOUS = re.compile(r"\.(.+)\.previous")
_TEMPORARY = re.compile(r"\.(.+)\.(part|lock|\d+)")
"""A file that is being written, or its lock (`published.published_file`); before 0.3 it ended in the number of its process."""


@dataclass(frozen=True)
class Layout:
    """What a data folder may hold. levels: of folders below an asset's, by its name; known_files, known_folders: beside the stages,
    which others look after."""

    stages: Collection[str]
    levels: Mapping[str, int]
    old_assets: Collection[str]
    known_files: Collection[str]
    known_folders: Collection[str]


@dataclass
class Walked:
    """What a walk found."""

    keys: list[ArtifactKey] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def walk_data_folder(root: Path, layout: Layout) -> Walked:
    """Where artifacts lie, sorted, and what lies outside of them that nothing knows."""
    walked, seen = Walked(), set()
    stack: list[tuple[Path, int]] = [(root, 0)]
    while stack:
        folder, depth = stack.pop()
        try:
            state = folder.stat()
        except FileNotFoundError:  # a run has replaced it since it was listed
            continue
        if (state.st_dev, state.st_ino) in seen:  # a link to a folder above it would lead round and round
            continue
        seen.add((state.st_dev, state.st_ino))
        below = _look_into(root, folder, depth, layout, walked)
        stack += [(path, depth + 1) for path in below if depth < 2 + MAX_LEVELS]
    walked.keys.sort(key=lambda key: key.relative)
    return walked


def _look_into(root: Path, folder: Path, depth: int, layout: Layout, walked: Walked) -> list[Path]:
    """Notes what lies in one folder; returns the folders in it that may hold artifacts."""
    files, folders = _entries(folder)
    relative = folder.relative_to(root)
    names = {path.name for path in files + folders}
    if depth >= 2:
        if names & {MANIFEST, SET_ASIDE}:
            _note_artifact(relative, walked)
            return [path for path in folders if next(path.rglob(MANIFEST), None)]  # those of before divided otherwise
        if depth == 2 + layout.levels.get(relative.parts[1], MAX_LEVELS + 1):
            if names:
                _note_artifact(relative, walked)
            return []
    below, strange = [], []
    for path in folders:
        if (old := _PREVIOUS.fullmatch(path.name)) and depth >= 1:
            if old[1] not in names:
                _note_artifact(relative / old[1], walked)
            elif not is_locked(lock_file(root, ArtifactKey(*_parts(relative / old[1])))):
                walked.findings.append(
                    _finding(
                        Kind.LEFTOVER,
                        root,
                        path,
                        "the artifact before, which a killed run left",
                        "the next command that looks for the artifact removes it",
                    )  # fmt: skip
                )
            continue
        if depth == 0 and path.name in layout.known_folders:
            walked.findings += link_finding(root, path)
            continue
        known = depth >= 2 or (path.name in layout.stages if depth == 0 else _is_asset(path.name, layout))
        if known or (depth == 0 and any(_is_asset(inside.name, layout) for inside in _entries(path)[1])):
            walked.findings += link_finding(root, path)
            below.append(path)
        else:
            strange.append(path)
    strange += [path for path in files if not (depth == 0 and path.name in layout.known_files)]
    walked.findings += _strange(root, strange)
    return below


def _is_asset(name: str, layout: Layout) -> bool:
    return name in layout.levels or name in layout.old_assets


def _note_artifact(relative: Path, walked: Walked) -> None:
    with contextlib.suppress(StoreError):  # a folder whose name no key can have
        walked.keys.append(ArtifactKey(*_parts(relative)))


def _parts(relative: Path) -> tuple[str, str, str]:
    stage, asset, *partition = relative.parts
    return stage, asset, "|".join(partition)


def _strange(root: Path, paths: list[Path]) -> Iterator[Finding]:
    """A finding for each folder, and one for the files of a folder together."""
    ours: list[Path] = []
    others: list[Path] = []
    for path in paths:
        if path.is_symlink():
            yield from link_finding(root, path)
        elif path.is_dir():
            yield _finding(Kind.UNKNOWN, root, path, "a folder that nothing in here knows", _LOOK)
        else:
            (ours if _TEMPORARY.fullmatch(path.name) else others).append(path)
    for path in ours:
        lock = path.with_name(f".{_TEMPORARY.fullmatch(path.name)[1]}.lock")  # type: ignore[index]
        if not is_locked(lock):
            yield _finding(Kind.LEFTOVER, root, path, "begun by a process that has ended", "remove it")
    if others:
        more = f", and {len(others) - 1:,} more beside it" if len(others) > 1 else ""
        yield _finding(Kind.UNKNOWN, root, others[0], f"a file that no manifest knows{more}", _LOOK)


_LOOK = "look at what it is; nothing reads it, so remove it or move it out of the data folder"


def link_finding(root: Path, path: Path) -> list[Finding]:
    """Of a symbolic link that leads out of the data folder, to itself or nowhere; nothing of all else."""
    if not path.is_symlink():
        return []
    target = Path(os.path.realpath(path))
    if not os.path.lexists(target):
        return [_finding(Kind.UNKNOWN, root, path, f"a link to {target}, which is not there", "remove it")]
    if target.is_symlink():
        return [_finding(Kind.UNKNOWN, root, path, "a link that leads to itself", "remove it")]
    if target.is_relative_to(os.path.realpath(root)):
        return []
    found = f"a link that leads out of the data folder, to {target}"
    todo = "if you did not make it, remove it; what lies there is not protected by the data folder's rights and backups"
    return [_finding(Kind.LEADS_OUT, root, path, found, todo)]


def leftovers(root: Path, folder: str, size_of: Callable[[Path], tuple[int, int]]) -> Iterator[Finding]:
    """What builds that did not end left below .work or .staging; nothing of those that go on."""
    for place in _leaves(root / folder):
        relative = place.relative_to(root / folder)
        try:
            key = ArtifactKey(*_parts(relative))
        except (StoreError, TypeError, ValueError):
            yield _finding(Kind.UNKNOWN, root, place, "nothing that a build leaves", _LOOK)
            continue
        files, size = size_of(place)
        if not files or is_locked(lock_file(root, key)):
            continue
        found = f"{files:,} files of a build that did not end, {size / 1e6:,.1f} MB"
        todo = "the next run of it goes on from them" if folder == ".work" else "the next run of it removes them"
        yield Finding(Kind.LEFTOVER, f"{folder}/{relative.as_posix()}", found, f"{todo}; or remove the folder", key.stage, key.asset, key.partition)  # fmt: skip


def _leaves(folder: Path) -> Iterator[Path]:
    """Folders of artifacts below .work or .staging: those that hold files or pieces."""
    stack = [(folder, 0)]
    while stack:
        place, depth = stack.pop()
        files, folders = _entries(place)
        pieces = depth >= 2 and (depth == 2 + MAX_LEVELS or any(path.name in (PIECES, USED_PIECES) for path in folders))
        if pieces or (files and depth):
            yield place
        else:
            stack += [(path, depth + 1) for path in reversed(folders) if not path.is_symlink()]


def size_below(folder: Path) -> tuple[int, int]:
    """(number of files, bytes) below a folder."""
    files = size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += Path(parent, name).lstat().st_size
            except FileNotFoundError:
                continue
            files += 1
    return files, size


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """(files, folders) in a folder, sorted; links to folders are folders. Nothing where the folder went meanwhile."""
    files: list[Path] = []
    folders: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                (folders if _is_folder(entry) else files).append(Path(entry.path))
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    return sorted(files), sorted(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A link that leads to itself, or to a place that does not answer, is a file that nothing knows."""
    try:
        return entry.is_dir()
    except OSError:
        if entry.is_symlink():
            return False
        raise


def _finding(kind: Kind, root: Path, path: Path, found: str, todo: str) -> Finding:
    return Finding(kind, path.relative_to(root).as_posix(), found, todo)
