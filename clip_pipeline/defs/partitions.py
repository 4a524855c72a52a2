"""The partitions of the assets as Dagster sees them. `pipeline/` knows the keys; the dynamic ones are registered with Dagster here."""

import json
from collections.abc import Sequence
from functools import cache

import dagster as dg

from clip_pipeline.defs.resources import starting_recipe
from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.partitions import bucket_keys, halves, language_model_keys, partition_keys, trial_names
from clip_pipeline.pipeline.workspace import Workspace

ADDED = (Partitions.VARIANTS, Partitions.DATASETS)
"""Keys that people add, on the page too, before anything says what they mean."""

DYNAMIC = (Partitions.DUMP_PARTS, Partitions.SHARDS, Partitions.IMAGE_FORMATS, *ADDED)
"""Keys that come and go while Dagster runs."""

DIMENSIONS: dict[Partitions, dict[str, Partitions | None]] = {
    Partitions.DATASETS_BY_VARIANT: {"dataset": Partitions.DATASETS, "variant": Partitions.VARIANTS},
    Partitions.SHARDS_BY_VARIANT: {"shard": Partitions.SHARDS, "variant": Partitions.VARIANTS},
    Partitions.TRIALS_BY_VARIANT: {"trial": None, "variant": Partitions.VARIANTS},
}
"""The kinds of two dimensions, by the names that Dagster sorts them by: a key is "dataset|variant". None: no asset has such keys."""

DEFINED = "clip_pipeline/defined/"
"""Under it and the kind's name the instance keeps the keys that the data folder defined at the last look."""


def definition_of(asset: Asset) -> dg.PartitionsDefinition | None:
    """What Dagster divides the asset by; None for an asset without partitions."""
    return _definition(_kind(asset))


def _kind(asset: Asset) -> Partitions:
    """Adapted variants are variants: a recipe adapts all or none."""
    return Partitions.VARIANTS if asset.partitions == Partitions.ADAPTED_VARIANTS else asset.partitions


@cache
def _definition(kind: Partitions) -> dg.PartitionsDefinition | None:
    if kind in DYNAMIC:
        return dg.DynamicPartitionsDefinition(name=kind.value)
    if kind == Partitions.WORD_BUCKETS:
        return dg.StaticPartitionsDefinition(bucket_keys(starting_recipe()))
    if kind == Partitions.LANGUAGE_MODELS:
        return dg.StaticPartitionsDefinition(language_model_keys(starting_recipe()))
    if kind in DIMENSIONS:
        trials = dg.StaticPartitionsDefinition(trial_names(starting_recipe()))
        return dg.MultiPartitionsDefinition(
            {name: (half and _definition(half)) or trials for name, half in DIMENSIONS[kind].items()}
        )
    return None


def partition_mapping(upstream: Asset, downstream: Asset) -> dg.PartitionMapping | None:
    """How partitions of `downstream` map to those of `upstream`; None where Dagster's own rule is right."""
    if definition_of(upstream) is None or _kind(upstream) == _kind(downstream):
        return None
    if dimension := _shared_dimension(upstream, downstream):
        return dg.MultiToSingleDimensionPartitionMapping(dimension)
    return dg.AllPartitionMapping()


def _shared_dimension(one: Asset, other: Asset) -> str:
    """The dimension of the one that is all of the other, "" where there is none."""
    for wide, narrow in ((one, other), (other, one)):
        for name, kind in DIMENSIONS.get(_kind(wide), {}).items():
            if kind == _kind(narrow):
                return name
    return ""


def input_partitions(workspace: Workspace, upstream: Asset, downstream: Asset, key: str) -> list[str]:
    """The partitions of `upstream` that Dagster maps the partition `key` of `downstream` to; `[""]` where it has none.

    Raises MissingArtifactError where they are not known yet.
    """
    if definition_of(upstream) is None:
        return [""]
    if _kind(upstream) == _kind(downstream):
        return [key]
    dimension = _shared_dimension(upstream, downstream)
    if dimension and _kind(downstream) in DIMENSIONS:
        return [_half(downstream, key, dimension)]
    keys = partition_keys(workspace, upstream)
    return [one for one in keys if not dimension or _half(upstream, one, dimension) == key]


def _half(asset: Asset, key: str, dimension: str) -> str:
    return halves(key)[list(DIMENSIONS[_kind(asset)]).index(dimension)]


def partition_tags(asset: Asset, key: str) -> dict[str, str]:
    """The tags by which Dagster finds an event of a partition of two dimensions."""
    dimensions = DIMENSIONS.get(_kind(asset), {})
    return {f"dagster/partition/{name}": _half(asset, key, name) for name in dimensions}


def register_partitions(instance: dg.DagsterInstance, asset: Asset, keys: Sequence[str]) -> None:
    """Makes Dagster's dynamic partitions of `asset` equal to `keys`; does nothing for other kinds of partitions.

    A key that somebody added on the page stays though nothing defines it: materialising it says what is wrong. One that the data
    folder defined, and defines no more, goes.
    """
    kind = _kind(asset)
    if (
        kind not in DYNAMIC or asset.partitions != kind
    ):  # adapted variants are all or none; all are registered by the others
        return
    known = set(instance.get_dynamic_partitions(kind.value))
    instance.add_dynamic_partitions(kind.value, [key for key in keys if key not in known])
    for key in sorted(_no_more(instance, kind, known, set(keys))):
        instance.delete_dynamic_partition(kind.value, key)


def was_defined(instance: dg.DagsterInstance, kind: Partitions) -> set[str]:
    """The keys of an added kind that recipe or data folder defined at the last look: nobody typed them on the page."""
    name = DEFINED + kind.value
    return set(json.loads(instance.daemon_cursor_storage.get_cursor_values({name}).get(name, "[]")))


def _no_more(instance: dg.DagsterInstance, kind: Partitions, known: set[str], keys: set[str]) -> set[str]:
    if kind not in ADDED:
        return known - keys
    name = DEFINED + kind.value
    before = was_defined(instance, kind)
    if before != keys:
        instance.daemon_cursor_storage.set_cursor_values({name: json.dumps(sorted(keys))})
    return known & (before - keys)
