"""Artifacts that nothing reads any more: of assets that are called otherwise now, or are divided otherwise."""

from __future__ import annotations

from clip_pipeline.pipeline.asset import Partitions
from clip_pipeline.pipeline.assets import ASSETS as TODAY
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.freshness import older_version
from clip_pipeline.storage.manifest import Artifact, ArtifactKey
from clip_pipeline.version import ASSETS, renamed_asset

OF_VARIANTS = (Partitions.TRIALS_BY_VARIANT, Partitions.ADAPTED_VARIANTS)
"""What the adaptation is divided by; it had one model before, and keys "method|010"."""


def old_artifacts(store: Store) -> list[tuple[Artifact, str]]:
    """Each of them with a sentence that says what it is."""
    found = []
    for name in ASSETS:
        for folder in sorted(store.root.glob(f"[!.]*/{name}")):
            for partition in store.partitions(folder.parent.name, name):
                artifact = store.find(ArtifactKey(folder.parent.name, name, partition))
                if artifact is not None:
                    found.append((artifact, _of_another_name(artifact)))
    for asset in TODAY:
        if asset.partitions not in OF_VARIANTS:
            continue
        for partition in store.partitions(asset.stage, asset.name):
            trial = partition.partition("|")[0]
            if not partition or (asset.partitions == Partitions.TRIALS_BY_VARIANT and "@" not in trial):
                artifact = store.find(ArtifactKey(asset.stage, asset.name, partition))
                if artifact is not None:
                    found.append((artifact, _of_no_variant(artifact)))
    return found


def _of_another_name(artifact: Artifact) -> str:
    return (
        f"made by an older version ({older_version(artifact.manifest)}): {renamed_asset(artifact.key.asset)} "
        f"Nothing reads it any more; remove {artifact.folder}"
    )


def _of_no_variant(artifact: Artifact) -> str:
    """An artifact without a partition lies around those that have one."""
    what = artifact.folder if artifact.key.partition else f"the files, not the folders, in {artifact.folder}"
    return f"made before adaptations had a training variant in their key. Nothing reads it any more; remove {what}"
