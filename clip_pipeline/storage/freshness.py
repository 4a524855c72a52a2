"""Whether an artifact is whole and fresh, and in a few words why not."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clip_pipeline.storage.disk import hash_file
from clip_pipeline.storage.manifest import Artifact, Wanted
from clip_pipeline.version import __version__, new_asset_name, new_setting_name

FIRST_VERSION = "0.1"
"""Made the manifests that name no version."""


def wrong_files(artifact: Artifact, deep: bool = False) -> str:
    """ "" when the files are those of the manifest, else what is wrong with the first that is not.

    A file whose size and modification time are those recorded is trusted unless `deep`, but for one that is not older than the
    manifest: it may have been changed in the moment in which it was recorded (git calls it racily clean). Any other is hashed.
    """
    for name in artifact.manifest["files"]:
        if wrong := wrong_file(artifact, name, deep):
            return wrong
    return ""


def wrong_file(artifact: Artifact, name: str, deep: bool = False, hash_file: Callable[[Path], str] = hash_file) -> str:
    """`wrong_files` of one file. hash_file(path): its sha256."""
    path, entry = artifact.folder / name, artifact.manifest["files"][name]
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return f"{name} is missing"
    if not stat.S_ISREG(state.st_mode):
        return f"{name} is {_kind(path, state.st_mode)}, where a file was written"
    if state.st_size != entry["bytes"]:
        return f"{name} has {state.st_size:,} bytes, its manifest says {entry['bytes']:,}"
    changed_since = state.st_mtime_ns != entry["mtime_ns"] or state.st_mtime_ns >= artifact.recorded_ns
    if (deep or changed_since) and hash_file(path) != entry["sha256"]:
        return f"{name} differs from its manifest"
    return ""


def _kind(path: Path, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return f"a link to {path.readlink()}"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe or device"


def older_version(manifest: Mapping[str, Any]) -> str:
    """The version that made an artifact, such as 0.1, where it is older than this one; else ""."""
    made_by = manifest.get("version", FIRST_VERSION)
    return ".".join(made_by.split(".")[:2]) if _number(made_by) < _number(__version__) else ""


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def explain_difference(manifest: Mapping[str, Any], wanted: Wanted) -> str:
    """Why an artifact of that manifest is not what is wanted now."""
    older = older_version(manifest)
    why = _difference(manifest, wanted)
    return f"made by an older version ({older}): {why}" if older else why


def _difference(manifest: Mapping[str, Any], wanted: Wanted) -> str:
    if manifest["code_version"] != wanted.code_version:
        return f"its code changed (version {manifest['code_version']}, now {wanted.code_version})"
    new_config = json.loads(json.dumps(dict(wanted.config)))
    old_config, renamed = _with_new_names(manifest["config"], new_config)
    for name in sorted(old_config.keys() | new_config.keys()):
        if old_config.get(name) != new_config.get(name):
            return f"the setting {name} changed from {old_config.get(name)!r} to {new_config.get(name)!r}"
    changed = sorted(
        name
        for name in manifest["inputs"].keys() | wanted.inputs.keys()
        if manifest["inputs"].get(name) != wanted.inputs.get(name)
    )
    if changed:
        return f"its input {changed[0]} changed" + (f" (and {len(changed) - 1} more)" if len(changed) > 1 else "")
    if renamed:
        old, new = renamed[0]
        more = f" (and {len(renamed) - 1} more)" if len(renamed) > 1 else ""
        return f"its setting {old} is called {new} now{more}"
    return "its fingerprint changed"


def _with_new_names(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The settings under the names of today, and the pairs (old, new) of those that were called otherwise."""
    names = {name: name if name in new else new_setting_name(name) or new_asset_name(name) or name for name in old}
    return {names[name]: value for name, value in old.items()}, sorted(
        (name, now) for name, now in names.items() if name != now
    )
