"""The partitions of the assets as Dagster sees them. `pipeline/` knows the keys; the dynamic ones are registered with Dagster here."""

import os
from collections.abc import Callable, Sequence
from functools import cache

import dagster as dg

from clip_pipeline.defs.resources import starting_recipe
from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.partitions import (
    bucket_keys,
    dataset_names,
    possible_image_formats,
    trial_names,
    variant_names,
)
from clip_pipeline.pipeline.workspace import Workspace

KEYS: dict[Partitions, Callable[[Workspace], Sequence[str]]] = {
    Partitions.WORD_BUCKETS: lambda workspace: bucket_keys(workspace.recipe),
    Partitions.DATASETS: dataset_names,
    Partitions.IMAGE_FORMATS: lambda workspace: possible_image_formats(workspace.recipe),
    Partitions.VARIANTS: variant_names,
    Partitions.ADAPTED_VARIANTS: variant_names,
}
"""Keys that are known when the page starts."""

DYNAMIC = (Partitions.DUMP_PARTS, Partitions.SHARDS)
"""Keys that are known once an asset is there (`Asset.makes`)."""


def definition_of(asset: Asset) -> dg.PartitionsDefinition | None:
    """What Dagster divides the asset by; None for an asset without partitions."""
    return _definition(asset.partitions)


@cache
def _definition(kind: Partitions) -> dg.PartitionsDefinition | None:
    if kind in DYNAMIC:
        return dg.DynamicPartitionsDefinition(name=kind.value)
    if kind in KEYS:
        return dg.StaticPartitionsDefinition(KEYS[kind](_workspace()))
    variants = _definition(Partitions.VARIANTS)
    if kind == Partitions.DATASETS_BY_VARIANT:
        halves = {"dataset": _definition(Partitions.DATASETS), "variant": variants}
        return dg.MultiPartitionsDefinition({name: half for name, half in halves.items() if half})
    if kind == Partitions.TRIALS_BY_VARIANT:
        trials = dg.StaticPartitionsDefinition(trial_names(starting_recipe()))
        return dg.MultiPartitionsDefinition({"trial": trials, "variant": variants})
    return None


def _workspace() -> Workspace:
    return Workspace(os.environ.get("CLIP_PIPELINE_DATA", "data"), starting_recipe())


def partition_mapping(upstream: Asset, downstream: Asset) -> dg.PartitionMapping | None:
    """How partitions of `downstream` map to those of `upstream`; None where Dagster's own rule is right."""
    of_variant = (Partitions.VARIANTS, Partitions.ADAPTED_VARIANTS)
    if downstream.partitions == Partitions.DATASETS_BY_VARIANT and upstream.partitions == Partitions.DATASETS:
        return dg.MultiToSingleDimensionPartitionMapping("dataset")
    two_dimensions = (Partitions.DATASETS_BY_VARIANT, Partitions.TRIALS_BY_VARIANT)
    if downstream.partitions in two_dimensions and upstream.partitions in of_variant:
        return dg.MultiToSingleDimensionPartitionMapping("variant")
    if upstream.partitions == Partitions.TRIALS_BY_VARIANT and downstream.partitions in of_variant:
        return dg.MultiToSingleDimensionPartitionMapping("variant")
    if upstream.partitions in of_variant and downstream.partitions in of_variant:
        return None
    if definition_of(upstream) and downstream.partitions != upstream.partitions:
        return dg.AllPartitionMapping()
    return None


def register_partitions(instance: dg.DagsterInstance, asset: Asset, keys: list[str]) -> None:
    """Makes Dagster's dynamic partitions of `asset` equal to `keys`; does nothing for other kinds of partitions."""
    definition = definition_of(asset)
    if not isinstance(definition, dg.DynamicPartitionsDefinition) or definition.name is None:
        return
    known = set(instance.get_dynamic_partitions(definition.name))
    instance.add_dynamic_partitions(definition.name, [key for key in keys if key not in known])
    for key in sorted(known - set(keys)):
        instance.delete_dynamic_partition(definition.name, key)
