"""What is found wrong with the files of one artifact, also while a run replaces it, and how it is set aside to be built anew."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from clip_pipeline.errors import DamagedFileError
from clip_pipeline.storage.disk import hash_file, previous_of, sync_path
from clip_pipeline.storage.freshness import wrong_file
from clip_pipeline.storage.lock import exclusive_lock, is_locked
from clip_pipeline.storage.manifest import MANIFEST, Artifact, ArtifactKey
from clip_pipeline.storage.manifest_file import SET_ASIDE, read_artifact

CHUNK_BYTES = 8 * 2**20
MAX_READS = 5
"""Times that an artifact is read which is replaced meanwhile."""

SWAP_SECONDS = 5.0
"""How long a folder may be away while the new one takes its place."""


class Kind(StrEnum):
    """What a finding is. Of these only DAMAGED and SET_ASIDE are damage."""

    DAMAGED = "damaged"
    SET_ASIDE = "set aside"
    LEADS_OUT = "leads out"
    UNKNOWN = "unknown"
    LEFTOVER = "leftover"
    CACHE = "cache"
    OLD = "no checksum"
    BUSY = "busy"


@dataclass(frozen=True)
class Finding:
    """Something in a data folder that somebody should know of. place: below the data folder. asset, partition: "" where it belongs to
    no artifact. found, todo: sentences without a full stop. hidden: a plain `run` would not notice it."""

    kind: Kind
    place: str
    found: str
    todo: str = ""
    stage: str = ""
    asset: str = ""
    partition: str = ""
    hidden: bool = False

    @property
    def is_damage(self) -> bool:
        return self.kind in (Kind.DAMAGED, Kind.SET_ASIDE)


@dataclass(frozen=True)
class Looked:
    """What a look at one artifact gave. files, bytes: that its manifest names; files_read, bytes_read: that were hashed. state: of the
    manifest that was looked at."""

    findings: tuple[Finding, ...]
    files: int = 0
    bytes: int = 0
    files_read: int = 0
    bytes_read: int = 0
    state: tuple[int, ...] | None = None


def look_at_artifact(
    root: Path, key: ArtifactKey, chosen: Callable[[str], bool], on_bytes: Callable[[int], None] = lambda count: None
) -> Looked:
    """Compares the files of an artifact with its manifest, and names those that it does not know. Changes nothing.

    chosen(name): whether a file's bytes are read although size and time are those recorded. One that is replaced meanwhile is looked
    at again, so that half a publication is no damage.
    """
    folder = root / key.relative
    for _ in range(MAX_READS):
        before = _state(folder / MANIFEST)
        if before is None:
            if not _appears(folder / MANIFEST, root, key):
                return Looked(_without_manifest(root, key))
            continue
        looked = _look(root, key, chosen, on_bytes)
        if looked is not None and _state(folder / MANIFEST) == before:
            return replace(looked, state=before)
    return Looked((_finding(key, Kind.BUSY, "is replaced again and again, and was not looked at", "verify it later"),))


def lock_file(root: Path, key: ArtifactKey) -> Path:
    """The lock that whoever builds the artifact holds."""
    return root / ".locks" / key.relative.with_name(f"{key.relative.name}.lock")


def _appears(manifest: Path, root: Path, key: ArtifactKey) -> bool:
    """Waits for what is being put in place just now."""
    deadline = time.monotonic() + SWAP_SECONDS
    while is_locked(lock_file(root, key)) and time.monotonic() < deadline:
        if _state(manifest) is not None:
            return True
        time.sleep(0.05)
    return _state(manifest) is not None


def _without_manifest(root: Path, key: ArtifactKey) -> tuple[Finding, ...]:
    folder = root / key.relative
    if is_locked(lock_file(root, key)):
        return (_finding(key, Kind.BUSY, "is being built just now", "verify it when the run is done"),)
    if _state(previous_of(folder)) is not None:
        found = "a run was killed while it put the new artifact in place; the old one lies beside it"
        return (
            _finding(key, Kind.LEFTOVER, found, "nothing: the next command that looks for it puts the old one back"),
        )
    try:
        read_artifact(key, folder, folder / SET_ASIDE)
    except (FileNotFoundError, NotADirectoryError):
        if next(_files_below(folder), None) is None:
            return ()
        return (_finding(key, Kind.DAMAGED, f"there are files and no {MANIFEST}"),)
    except DamagedFileError as error:
        return (_finding(key, Kind.DAMAGED, f"{SET_ASIDE} {error}"),)
    return (_finding(key, Kind.SET_ASIDE, "was found damaged before, and set aside"),)


def _look(
    root: Path, key: ArtifactKey, chosen: Callable[[str], bool], on_bytes: Callable[[int], None]
) -> Looked | None:
    folder = root / key.relative
    try:
        artifact = read_artifact(key, folder, folder / MANIFEST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except DamagedFileError as error:
        return Looked((_finding(key, Kind.DAMAGED, f"its manifest {error}"),))
    except OSError as error:
        return Looked((_finding(key, Kind.DAMAGED, f"its manifest cannot be read: {error.strerror}"),))
    files_read = bytes_read = 0

    def hash_counted(path: Path) -> str:
        nonlocal files_read, bytes_read
        files_read += 1

        def count(size: int) -> None:
            nonlocal bytes_read
            bytes_read += size
            on_bytes(size)

        return hash_from_disk(path, count)

    wrong, hidden = [], True
    for name in artifact.manifest["files"]:
        if reason := _wrong(artifact, name, chosen(name), hash_counted):
            wrong.append(reason)
            hidden = hidden and not _wrong(artifact, name, False, hash_file)
    findings = []
    if wrong:
        more = f" (and {len(wrong) - 1:,} more of its files)" if len(wrong) > 1 else ""
        findings.append(_finding(key, Kind.DAMAGED, f"{wrong[0]}{more}", hidden=hidden))
    findings += _strangers(root, key, artifact.manifest["files"].keys())
    if not artifact.has_checksum:
        findings.append(_finding(key, Kind.OLD, "its manifest has no checksum of its own"))
    return Looked(tuple(findings), len(artifact.manifest["files"]), artifact.size_bytes, files_read, bytes_read)


def _wrong(artifact: Artifact, name: str, deep: bool, hash_file: Callable[[Path], str]) -> str:
    try:
        return wrong_file(artifact, name, deep, hash_file)
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read: {error.strerror}"


def hash_from_disk(path: Path, on_bytes: Callable[[int], None]) -> str:
    """sha256 of a file, read from the disk and not from the memory in which the system keeps what was read before."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def _strangers(root: Path, key: ArtifactKey, known: object) -> list[Finding]:
    """Files in an artifact's folder that its manifest does not name, a finding a folder."""
    folder = root / key.relative
    by_folder: dict[Path, tuple[int, str]] = {}
    for path in _files_below(folder):
        name = path.relative_to(folder).as_posix()
        if name in known or name == MANIFEST:  # type: ignore[operator]
            continue
        count, example = by_folder.get(path.parent, (0, name))
        by_folder[path.parent] = count + 1, min(example, name)
    findings = []
    for count, example in by_folder.values():
        more = f" and {count - 1:,} more files" if count > 1 else ""
        found = f"{example}{more}: no manifest knows {'them' if count > 1 else 'it'}"
        todo = "look at what it is; the next build of the artifact removes it"
        findings.append(_finding(key, Kind.UNKNOWN, found, todo))
    return findings


def _files_below(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder, links included, but for what belongs to an artifact inside of it."""
    for parent, folders, names in os.walk(folder):
        inside = [name for name in folders if not _is_another(Path(parent, name))]
        yield from (Path(parent, name) for name in inside if Path(parent, name).is_symlink())
        folders[:] = inside
        for name in names:
            yield Path(parent, name)


def _is_another(folder: Path) -> bool:
    """Whether a folder inside of an artifact's is an artifact too, or was one until it was replaced."""
    replaced = folder.name.startswith(".") and folder.name.endswith(".previous")
    return replaced or any(os.path.lexists(folder / name) for name in (MANIFEST, SET_ASIDE))


def set_aside(root: Path, key: ArtifactKey, state: tuple[int, ...] | None) -> bool:
    """Renames the manifest of an artifact that was found damaged, so that the next run builds it. state: of `Looked`. False where a
    run builds it just now, or has built it since.

    One rename: killed at any moment, the artifact is as before or set aside.
    """
    folder = root / key.relative
    with exclusive_lock(lock_file(root, key), str(key), wait=False) as locked:
        if not locked or state is None or _state(folder / MANIFEST) != state:
            return False
        (folder / MANIFEST).rename(folder / SET_ASIDE)
        sync_path(folder)
    return True


def _finding(key: ArtifactKey, kind: Kind, found: str, todo: str = "", hidden: bool = False) -> Finding:
    place = key.relative.as_posix()
    return Finding(kind, place, found, todo, key.stage, key.asset, key.partition, hidden)


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
