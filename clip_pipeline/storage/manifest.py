"""What is known of an artifact: its key, what decides its bytes, and the manifest beside its files.

An artifact's fingerprint is a hash of the code version of its step, the settings that can change its bytes, and the
content hashes of its inputs. Its content hash covers its files but for sidecars (logs with timings), so an input
that was recomputed to the same bytes leaves everything after it fresh.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DamagedArtifactError, StoreError
from clip_pipeline.storage.disk import hash_file, hash_json
from clip_pipeline.version import __version__

MANIFEST = "manifest.json"
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
                    f'"{self.partition}" cannot be a partition of {self.asset}: it would leave its folder. A key that was added on '
                    "the page is removed there (the arrow beside Materialize, Delete partitions)."
                )

    def __str__(self) -> str:
        return f"{self.asset}[{self.partition}]" if self.partition else self.asset

    @property
    def relative(self) -> Path:
        """The folder below the data folder; the two halves of a "dataset|variant" partition are two levels."""
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
class Wanted:
    """All that decides an artifact's bytes: code version, settings and the content hashes of inputs, by name."""

    code_version: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]

    def fingerprint(self, key: ArtifactKey) -> str:
        return hash_json([key.asset, key.partition, self.code_version, self.config, self.inputs])


@dataclass(frozen=True)
class Artifact:
    """A complete artifact on disk. recorded_ns: when its manifest was written, as the disk says. has_checksum: whether that has a
    checksum of its own, which those of before 0.3 lack."""

    key: ArtifactKey
    folder: Path
    manifest: dict[str, Any]
    recorded_ns: int = 0
    has_checksum: bool = True

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


def make_manifest(
    key: ArtifactKey, wanted: Wanted, built: Built, folder: Path, began: datetime, finished: datetime
) -> dict[str, Any]:
    """The manifest of the files in `folder`. version: of clip_pipeline; those made before 0.2 have none."""
    files = describe_files(folder, built.sidecars)
    return {
        "asset": key.asset,
        "partition": key.partition,
        "fingerprint": wanted.fingerprint(key),
        "content": hash_json({name: entry["sha256"] for name, entry in files.items() if not entry["sidecar"]}),
        "version": __version__,
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


def describe_files(folder: Path, sidecars: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Hash, size, modification time of each file below a folder, by its name, and whether it is one of the sidecars."""
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


def library_versions() -> dict[str, str]:
    """The versions of the libraries that numbers come from, those that are installed."""
    versions = {}
    for library in RECORDED_LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    return versions
