"""Artifact folders: fingerprints, manifests, atomic publication, locks. The only code that publishes an artifact.

    data/<stage>/<asset>/<partition>/   files, and manifest.json, whose presence means the artifact is complete
    data/.staging/   artifacts being written; thrown away when their build starts again
    data/.work/      finished pieces of an unfinished artifact, by fingerprint; a killed run resumes from them
    data/.locks/     one lock an artifact, so that two runs never build the same one at once
    data/.cache/     remembered sha256 of the user's own large files, and the links of their own lists
    data/.ledger/    the count of requests to a photo search (`sources/web/request_ledger.py`)
    data/takedowns.jsonl   photos that must not come back (`images/takedown.py`)

An artifact's fingerprint is a hash of the code version of its step, the settings that can change its bytes, and the
content hashes of its inputs. Its content hash covers its files but for sidecars (logs with timings), so an input
that was recomputed to the same bytes leaves everything after it fresh.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DamagedArtifactError, MissingArtifactError, StoreError
from clip_pipeline.storage.disk import (
    disk_errors,
    hash_file,
    hash_json,
    previous_of,
    restore_previous,
    swap_in,
    sync_tree,
    write_synced,
)
from clip_pipeline.storage.lock import exclusive_lock

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SHARED = "shared-"
"""Begins the names of pieces that are of use whatever the fingerprint."""

RECORDED_LIBRARIES = ("numpy", "open_clip_torch", "pandas", "pillow", "pyarrow", "tokenizers", "torch")


@dataclass(frozen=True)
class ArtifactKey:
    """Names one artifact: the stage's folder, the asset, and the partition ("" for an asset without partitions)."""

    stage: str
    asset: str
    partition: str = ""

    def __post_init__(self) -> None:
        for part in self.partition.split("|"):
            if part.startswith(".") or "/" in part or "\\" in part:
                raise StoreError(
                    f'"{self.partition}" cannot be a partition of {self.asset}: it would leave its folder.'
                )

    def __str__(self) -> str:
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset

    @property
    def relative(self) -> Path:
        """The folder below the data folder; the two halves of a "dataset|model" partition are two levels."""
        return Path(self.stage, self.asset, *filter(None, self.partition.split("|")))


@dataclass(frozen=True)
class Built:
    """What a build function reports of the files it wrote.

    rows: number of rows by table name. facts: JSON values worth showing. sidecars: glob patterns of files that are no
    part of the content, such as logs with timings.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    sidecars: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """A complete artifact on disk."""

    key: ArtifactKey
    folder: Path
    manifest: dict[str, Any]

    @property
    def content(self) -> str:
        """Content hash: equal for equal files, whatever the time or machine."""
        return self.manifest["content"]

    @property
    def fingerprint(self) -> str:
        return self.manifest["fingerprint"]

    @property
    def rows(self) -> dict[str, int]:
        return self.manifest["rows"]

    @property
    def facts(self) -> dict[str, Any]:
        return self.manifest["facts"]

    @property
    def size_bytes(self) -> int:
        return sum(entry["bytes"] for entry in self.manifest["files"].values())

    def file(self, name: str) -> Path:
        """Path of one file. Raises DamagedArtifactError when the manifest does not list it."""
        self.file_hash(name)
        return self.folder / name

    def file_hash(self, name: str) -> str:
        """sha256 of one file, as the manifest has it."""
        if name not in self.manifest["files"]:
            raise DamagedArtifactError(f"{self.key} has no file {name}. Materialise {self.key.asset} again.")
        return self.manifest["files"][name]["sha256"]


@dataclass(frozen=True)
class Materialised:
    """The outcome of `Store.materialise`: the artifact, whether it was a cache hit, and why it was built if not."""

    artifact: Artifact
    hit: bool
    reason: str
    seconds: float


@dataclass(frozen=True)
class Wanted:
    """All that decides an artifact's bytes: code version, settings and the content hashes of inputs, by name."""

    code_version: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    def fingerprint(self, key: ArtifactKey) -> str:
        return hash_json([key.asset, key.partition, self.code_version, self.config, self.inputs])


class Store:
    """The data folder."""

    def __init__(self, root: Path | str):
        self.root = Path(root).expanduser().absolute()

    # ---- reading

    def folder(self, key: ArtifactKey) -> Path:
        return self.root / key.relative

    def partitions(self, stage: str, asset: str) -> list[str]:
        """The partitions of an asset on the disk, sorted; `[""]` for an asset without partitions that is there."""
        folder = self.root / stage / asset
        places = sorted(path.parent.relative_to(folder) for path in folder.rglob(MANIFEST))
        # a publication that was killed leaves the old folder beside its place, under a hidden name
        return ["|".join(place.parts) for place in places if not any(part.startswith(".") for part in place.parts)]

    def find(self, key: ArtifactKey) -> Artifact | None:
        """The artifact, or None where there is none. Reads the manifest, does not check the files (`verify` does)."""
        folder = self.folder(key)
        if previous_of(folder).exists():
            # A run was killed between the two renames of a publication, and the old artifact is whole beside its place, or
            # after them, and it still takes room there.
            with self._lock(key, wait=False) as locked:
                if locked:
                    restore_previous(folder, MANIFEST)
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None
        return Artifact(key, folder, manifest)

    def get(self, key: ArtifactKey) -> Artifact:
        """The artifact. Raises MissingArtifactError where there is none."""
        artifact = self.find(key)
        if artifact is None:
            raise MissingArtifactError(
                f"{key} is needed and was never materialised in {self.root}. "
                f"Run: clip-pipeline run --select +{key.asset}"
            )
        return artifact

    def verify(self, artifact: Artifact, deep: bool = False) -> str:
        """ "" when the files are those of the manifest, else what is wrong with them.

        A file whose size and modification time are those recorded is trusted unless `deep`; any other is hashed.
        """
        for name, entry in artifact.manifest["files"].items():
            try:
                stat = (artifact.folder / name).stat()
            except FileNotFoundError:
                return f"{name} is missing"
            if stat.st_size != entry["bytes"]:
                return f"{name} has {stat.st_size:,} bytes, its manifest says {entry['bytes']:,}"
            if (deep or stat.st_mtime_ns != entry["mtime_ns"]) and (
                hash_file(artifact.folder / name) != entry["sha256"]
            ):
                return f"{name} differs from its manifest"
        return ""

    def why_stale(self, key: ArtifactKey, wanted: Wanted) -> str:
        """ "" when the stored artifact is fresh and whole, else the reason it must be built, in a few words."""
        artifact = self.find(key)
        if artifact is None:
            return "never materialised"
        if artifact.fingerprint != wanted.fingerprint(key):
            return _explain_difference(artifact.manifest, wanted)
        return self.verify(artifact)

    # ---- writing

    def materialise(
        self,
        key: ArtifactKey,
        wanted: Wanted,
        build: Callable[[Path, Path], Built],
        force: bool = False,
    ) -> Materialised:
        """Returns the fresh artifact, building it where it is not there.

        build(folder, work_folder): writes the artifact's files into `folder`, which is new and empty; `work_folder`
        survives a crash and is handed to the next try with the same fingerprint. Two processes that want the same
        artifact take turns, and the second finds it ready. Raises DiskError where the disk is full or read-only.
        """
        started = time.monotonic()
        if not force and not self.why_stale(key, wanted):
            return Materialised(self.get(key), True, "", time.monotonic() - started)
        with disk_errors(self.root), self._lock(key, wait=True):
            restore_previous(self.folder(key), MANIFEST)
            reason = self.why_stale(key, wanted)
            if not reason and not force:
                return Materialised(self.get(key), True, "", time.monotonic() - started)
            logger.info("Building %s: %s", key, reason or "asked to")
            artifact = self._build_and_publish(key, wanted, build)
        return Materialised(artifact, False, reason or "asked to", time.monotonic() - started)

    def _build_and_publish(self, key: ArtifactKey, wanted: Wanted, build: Callable[[Path, Path], Built]) -> Artifact:
        began = datetime.now(UTC)
        fingerprint = wanted.fingerprint(key)
        staging = self.root / ".staging" / key.relative
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        work = self._work_folder(key, fingerprint)
        built = build(staging, work)
        files = _describe_files(staging, built.sidecars)
        finished = datetime.now(UTC)
        manifest = {
            "asset": key.asset,
            "partition": key.partition,
            "fingerprint": fingerprint,
            "content": hash_json({name: entry["sha256"] for name, entry in files.items() if not entry["sidecar"]}),
            "code_version": wanted.code_version,
            "config": dict(wanted.config),
            "inputs": dict(wanted.inputs),
            "rows": dict(built.rows),
            "facts": dict(built.facts),
            "files": files,
            "libraries": library_versions(),
            "started": began.isoformat(timespec="seconds"),
            "finished": finished.isoformat(timespec="seconds"),
            "seconds": round((finished - began).total_seconds(), 3),
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores",
        }
        # manifest last: its presence means the artifact is complete
        write_synced(staging / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
        sync_tree(staging)
        swap_in(staging, self.folder(key))
        shutil.rmtree(work.parent, ignore_errors=True)
        return Artifact(key, self.folder(key), manifest)

    def pieces_folder(self, key: ArtifactKey) -> Path:
        """Where the pieces of the unfinished artifact lie; removed when it is published."""
        return self.root / ".work" / key.relative / "pieces"

    def _work_folder(self, key: ArtifactKey, fingerprint: str) -> Path:
        """`.work/…/pieces/<fingerprint>`; pieces of other fingerprints are of no use any more and are removed."""
        pieces = self.pieces_folder(key)
        work = pieces / fingerprint[:16]
        if pieces.exists():
            for other in pieces.iterdir():
                if other != work and not other.name.startswith(SHARED):
                    shutil.rmtree(other, ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        return work

    def forget_pieces(self, key: ArtifactKey) -> None:
        """Removes the pieces of unfinished builds of an asset, all partitions: a killed one starts anew."""
        shutil.rmtree(self.root / ".work" / key.relative, ignore_errors=True)

    def _lock(self, key: ArtifactKey, wait: bool) -> contextlib.AbstractContextManager[bool]:
        """Holds the artifact's lock. Without `wait`, yields False when another process has it."""
        path = self.root / ".locks" / key.relative.with_name(key.relative.name + ".lock")
        return exclusive_lock(path, str(key), wait)


def shared_pieces(pieces: Path, name: str) -> Path:
    """The folder, beside the work folders, of pieces that a try with another fingerprint may use as well."""
    return pieces / f"{SHARED}{name}"


def _describe_files(folder: Path, sidecars: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, stat = path.relative_to(folder).as_posix(), path.stat()
        files[name] = {
            "sha256": hash_file(path),
            "bytes": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sidecar": any(fnmatch.fnmatch(name, pattern) for pattern in sidecars),
        }
    return files


def _explain_difference(manifest: dict[str, Any], wanted: Wanted) -> str:
    if manifest["code_version"] != wanted.code_version:
        return f"its code changed (version {manifest['code_version']}, now {wanted.code_version})"
    old_config, new_config = manifest["config"], json.loads(json.dumps(dict(wanted.config)))
    for name in sorted(old_config.keys() | new_config.keys()):
        if old_config.get(name) != new_config.get(name):
            return f"the setting {name} changed from {old_config.get(name)!r} to {new_config.get(name)!r}"
    changed = sorted(
        name
        for name in manifest["inputs"].keys() | wanted.inputs.keys()
        if manifest["inputs"].get(name) != wanted.inputs.get(name)
    )
    if not changed:
        return "its fingerprint changed"
    return f"its input {changed[0]} changed" + (f" (and {len(changed) - 1} more)" if len(changed) > 1 else "")


def library_versions() -> dict[str, str]:
    """The versions of the libraries that numbers come from, those that are installed."""
    versions = {}
    for library in RECORDED_LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    return versions
