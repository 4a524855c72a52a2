"""Artifacts as version 0.1 left them: their manifests name no version."""

from __future__ import annotations

import json
from pathlib import Path

from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import MANIFEST, Artifact, ArtifactKey, Built, Wanted


def made_by_0_1(store: Store, key: ArtifactKey, wanted: Wanted, files: dict[str, str | bytes]) -> Artifact:
    """An artifact of these files (by name) that looks as if 0.1 had made it."""

    def build(folder: Path, work: Path) -> Built:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return Built(rows={"rows": 1})

    path = store.materialise(key, wanted, build).artifact.folder / MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["version"], manifest["checksum"]
    path.write_text(json.dumps(manifest))
    return store.get(key)
