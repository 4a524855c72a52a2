"""Whether anything in a data folder is new, at the price of a look at each artifact's manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clip_pipeline.evaluation.datasets.added import FOLDER as DATASETS
from clip_pipeline.images.takedown import TAKEDOWNS_FILE
from clip_pipeline.pipeline.stages import STAGES
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.variants import FOLDER as VARIANTS
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import MANIFEST

BESIDE = (TAKEDOWNS_FILE, ".cache/newest_dump.json")
"""Files beside the artifacts that decide what is fresh."""


def folder_signature(workspace: Workspace) -> str:
    """A hash that changes with the recipe, when an artifact is published or removed, and when a variant, a dataset or a take-down is
    added. A file inside an artifact that somebody damaged does not change it, and no file outside the data folder does."""
    root = workspace.store.root
    manifests = [state for stage in STAGES for state in _manifests(root / stage)]
    named = [state for folder in (VARIANTS, DATASETS) for state in _states(root / folder)]
    beside = [_state(root / name) for name in BESIDE]
    return hash_json([repr(workspace.recipe), sorted(manifests), sorted(named), beside])


def _manifests(folder: Path) -> Iterator[tuple[str, int, int]]:
    manifest = folder / MANIFEST
    if manifest.exists():
        yield _state(manifest)
        return
    if folder.is_dir():
        with os.scandir(folder) as entries:
            below = [entry.path for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
        for path in below:
            yield from _manifests(Path(path))


def _states(folder: Path) -> list[tuple[str, int, int]]:
    return [_state(file) for file in folder.iterdir()] if folder.is_dir() else []


def _state(file: Path) -> tuple[str, int, int]:
    try:
        state = file.stat()
    except FileNotFoundError:
        return str(file), 0, 0
    return str(file), state.st_size, state.st_mtime_ns
