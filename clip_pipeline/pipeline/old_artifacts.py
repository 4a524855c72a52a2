"""Artifacts of assets that are called otherwise now: nothing reads them any more."""

from __future__ import annotations

from clip_pipeline.settings.renamed import ASSETS, renamed_asset
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.freshness import older_version
from clip_pipeline.storage.manifest import Artifact, ArtifactKey


def old_artifacts(store: Store) -> list[tuple[Artifact, str]]:
    """Each of them with a sentence that says what it is."""
    found = []
    for name in ASSETS:
        for folder in sorted(store.root.glob(f"[!.]*/{name}")):
            for partition in store.partitions(folder.parent.name, name):
                artifact = store.get(ArtifactKey(folder.parent.name, name, partition))
                found.append((artifact, _sentence(artifact)))
    return found


def _sentence(artifact: Artifact) -> str:
    return (
        f"made by an older version ({older_version(artifact.manifest)}): {renamed_asset(artifact.key.asset)} "
        f"Nothing reads it any more; remove {artifact.folder}"
    )
