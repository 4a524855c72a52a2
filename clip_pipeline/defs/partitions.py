"""The partitions of the assets as Dagster sees them. `pipeline/` knows the keys; the dynamic ones are registered with Dagster here."""

from collections.abc import Callable, Sequence
from functools import cache

import dagster as dg

from clip_pipeline.defs.resources import starting_recipe
from clip_pipeline.models.registry import list_models
from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.partitions import (
    adaptation_dimensions,
    bucket_keys,
    dataset_names,
    model_names,
    possible_image_formats,
)
from clip_pipeline.settings import Recipe


def possible_models(recipe: Recipe) -> list[str]:
    """The models that come with the package, and that of the recipe."""
    return sorted({*list_models(), *model_names(recipe)})


KEYS: dict[Partitions, Callable[[Recipe], Sequence[str]]] = {
    Partitions.WORD_BUCKETS: bucket_keys,
    Partitions.DATASETS: dataset_names,
    Partitions.IMAGE_FORMATS: possible_image_formats,
    Partitions.MODELS: possible_models,
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
        return dg.StaticPartitionsDefinition(KEYS[kind](starting_recipe()))
    if kind == Partitions.DATASETS_BY_MODEL:
        halves = {"dataset": _definition(Partitions.DATASETS), "model": _definition(Partitions.MODELS)}
        return dg.MultiPartitionsDefinition({name: half for name, half in halves.items() if half})
    if kind == Partitions.METHODS_BY_FRACTION:
        dimensions = adaptation_dimensions(starting_recipe())
        return dg.MultiPartitionsDefinition(
            {name: dg.StaticPartitionsDefinition(keys) for name, keys in dimensions.items()}
        )
    return None


def partition_mapping(upstream: Asset, downstream: Asset) -> dg.PartitionMapping | None:
    """How partitions of `downstream` map to those of `upstream`; None where Dagster's own rule is right."""
    two_dimensions = downstream.partitions == Partitions.DATASETS_BY_MODEL
    if two_dimensions and upstream.partitions == Partitions.DATASETS:
        return dg.MultiToSingleDimensionPartitionMapping("dataset")
    if two_dimensions and upstream.partitions == Partitions.MODELS:
        return dg.MultiToSingleDimensionPartitionMapping("model")
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
