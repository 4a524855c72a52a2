"""Whether an artifact is whole and fresh, and in a few words why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from clip_pipeline.settings.renamed import new_asset_name, new_setting_name
from clip_pipeline.storage.disk import hash_file
from clip_pipeline.storage.manifest import Artifact, Wanted
from clip_pipeline.version import __version__

FIRST_VERSION = "0.1"
"""Made the manifests that name no version."""


def wrong_files(artifact: Artifact, deep: bool = False) -> str:
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
        if (deep or stat.st_mtime_ns != entry["mtime_ns"]) and hash_file(artifact.folder / name) != entry["sha256"]:
            return f"{name} differs from its manifest"
    return ""


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
