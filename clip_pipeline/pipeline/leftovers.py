"""Artifacts on the disk by the variant or dataset they are of, whether that is defined or not."""

from __future__ import annotations

from collections.abc import Callable

from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.partitions import dataset_names, dataset_of, variant_names, variant_of
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import Artifact, ArtifactKey


def artifacts_of_variant(store: Store, name: str) -> list[Artifact]:
    """Those of a training variant, in the order of the flow."""
    return _artifacts(store, lambda asset, partition: variant_of(asset, partition) == name)


def artifacts_of_dataset(store: Store, name: str) -> list[Artifact]:
    """Those of a benchmark dataset, in the order of the flow."""
    return _artifacts(store, lambda asset, partition: dataset_of(asset, partition) == name)


def undefined_artifacts(workspace: Workspace) -> list[Artifact]:
    """Those whose training variant or dataset is not defined any more: nothing reads them, and nothing can build them again."""
    variants, datasets = {"", *variant_names(workspace)}, {"", *dataset_names(workspace)}
    return _artifacts(
        workspace.store,
        lambda asset, key: variant_of(asset, key) not in variants or dataset_of(asset, key) not in datasets,
    )


def _artifacts(store: Store, wanted: Callable[[Asset, str], bool]) -> list[Artifact]:
    found = [
        store.find(ArtifactKey(asset.stage, asset.name, partition))
        for asset in ASSETS
        for partition in store.partitions(asset.stage, asset.name)
        if wanted(asset, partition)
    ]
    return [artifact for artifact in found if artifact is not None]  # `verify` names those whose manifest is damaged
