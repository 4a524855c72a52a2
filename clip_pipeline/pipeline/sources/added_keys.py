"""Keys of variants and datasets that somebody typed on the page: those that say themselves what they mean become definitions."""

from __future__ import annotations

from collections.abc import Callable

from clip_pipeline.evaluation.datasets.added import define_dataset, keep_definition
from clip_pipeline.evaluation.datasets.choice import parse_choice
from clip_pipeline.pipeline.asset import Partitions
from clip_pipeline.pipeline.partitions import dataset_names, variant_names
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.roots import check_below

ADDED_KINDS: dict[Partitions, Callable[[Workspace], list[str]]] = {
    Partitions.VARIANTS: variant_names,
    Partitions.DATASETS: dataset_names,
}
"""Kinds of partitions whose keys people add, and the keys that mean something."""


def define_key(workspace: Workspace, kind: Partitions, key: str) -> str:
    """Writes the definition of a key of one of those kinds into the data folder, and returns its name: of a dataset that was typed as
    a path or NAME=PATH, the name alone. Raises SettingsError or DatasetError for one that means nothing."""
    root, datasets = workspace.store.root, workspace.recipe.evaluation.datasets
    if kind == Partitions.VARIANTS:
        workspace.of_variant(key).keep_variant()
    elif "/" in key or "=" in key:
        check_below(parse_choice(key).path, workspace.roots, f'The dataset "{key[:80]}"')
        return define_dataset(root, datasets, key).name
    else:
        keep_definition(root, datasets, key)
    return key
