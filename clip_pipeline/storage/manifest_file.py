"""The file `manifest.json`: written with a checksum of its own, and read only where it says what a manifest says."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from clip_pipeline.errors import DamagedFileError
from clip_pipeline.storage.checked_json import CheckedJson, read_checked
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Artifact, ArtifactKey

SET_ASIDE = "manifest.damaged.json"
"""What `manifest.json` is called where `verify --repair` found files damaged: without a manifest there is no artifact, so the next
run builds it."""


def read_artifact(key: ArtifactKey, folder: Path, manifest: Path) -> Artifact:
    """The artifact whose manifest is that file. Raises DamagedFileError, whose text is the reason, and FileNotFoundError or
    NotADirectoryError where there is no such file."""
    read = read_checked(manifest)
    if reason := _wrong_manifest(read, key):
        raise DamagedFileError(reason)
    return Artifact(key, folder, read.value, read.written_ns, read.has_checksum)


class KnownManifests:
    """Manifests that were read before, for as long as their files stay as they are: a run of hits asks for each five times."""

    def __init__(self) -> None:
        self._known: dict[ArtifactKey, tuple[tuple[int, ...], Artifact]] = {}

    def read(self, key: ArtifactKey, folder: Path, manifest: Path) -> Artifact:
        """`read_artifact`."""
        state = manifest.lstat()
        now = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        before, artifact = self._known.get(key, ((), None))
        if artifact is not None and before == now:
            return artifact
        artifact = read_artifact(key, folder, manifest)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        if time.time_ns() - state.st_ctime_ns > SETTLED_NS:
            self._known[key] = now, artifact
        return artifact


MAX_KNOWN = 4096
SETTLED_NS = 2 * 10**9
"""A file that was changed so long ago shows another time when it is changed again, on any disk."""


def _wrong_manifest(read: CheckedJson, key: ArtifactKey) -> str:
    """ "" for a manifest of that artifact, else the reason why it is none."""
    value = read.value
    lacking = sorted(FIELDS.keys() - value.keys())
    if lacking:
        return f"says nothing of {lacking[0]}"
    for name, valid in {**FIELDS, **LATER_FIELDS}.items():
        if name in value and not valid(value[name]):
            return f"has an impossible value of {name}: {str(value[name])[:60]!r}"
    if (value["asset"], value["partition"]) != (key.asset, key.partition):
        return f"is of {value['asset'][:60]}[{value['partition'][:60]}]"
    return "" if read.has_checksum else _wrong_old_manifest(value)


def _wrong_old_manifest(value: Mapping[str, Any]) -> str:
    """Of one without a checksum: its fingerprint and its content are hashes of most of it."""
    unknown = sorted(value.keys() - FIELDS.keys() - LATER_FIELDS.keys())
    if unknown:
        return f"holds the unknown name {unknown[0][:60]!r}"
    decided_by = [value[name] for name in ("asset", "partition", "code_version", "config", "inputs")]
    if hash_json(decided_by) != value["fingerprint"]:
        return "is not what was written: its fingerprint is not that of its settings and inputs"
    content = {name: entry["sha256"] for name, entry in value["files"].items() if not entry["sidecar"]}
    return "" if hash_json(content) == value["content"] else "is not what was written: its content hash does not match"


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_hash(value: Any) -> bool:
    return type(value) is str and _HASH.fullmatch(value) is not None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_object(value: Any) -> bool:
    return type(value) is dict


def _is_texts(value: Any) -> bool:
    return type(value) is dict and all(type(text) is str for text in value.values())


def _is_counts(value: Any) -> bool:
    return type(value) is dict and all(type(count) is int for count in value.values())


def _is_seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e12


def _is_version(value: Any) -> bool:
    return type(value) is str and _VERSION.match(value) is not None


def _are_files(value: Any) -> bool:
    return type(value) is dict and all(_is_name(name) and _is_entry(entry) for name, entry in value.items())


def _is_entry(entry: Any) -> bool:
    return (
        type(entry) is dict
        and _is_hash(entry.get("sha256"))
        and _is_count(entry.get("bytes"))
        and type(entry.get("mtime_ns")) is int
        and type(entry.get("sidecar")) is bool
    )


def _is_name(name: str) -> bool:
    """Whether a file's name stays below its folder."""
    path = PurePosixPath(name)
    return name == path.as_posix() and not path.is_absolute() and ".." not in path.parts and "\0" not in name


_HASH = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"\d{1,6}\.\d{1,6}(\.|$)")

FIELDS: dict[str, Callable[[Any], bool]] = {
    "asset": _is_text,
    "partition": _is_text,
    "fingerprint": _is_hash,
    "content": _is_hash,
    "code_version": _is_text,
    "config": _is_object,
    "inputs": _is_texts,
    "rows": _is_counts,
    "facts": _is_object,
    "files": _are_files,
    "libraries": _is_texts,
    "started": _is_text,
    "finished": _is_text,
    "seconds": _is_seconds,
    "machine": _is_text,
}
"""What every manifest says, and which values it may have."""

LATER_FIELDS: dict[str, Callable[[Any], bool]] = {"version": _is_version}
"""What manifests say since 0.2."""
