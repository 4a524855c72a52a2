"""The partitions of the assets as Dagster sees them. `pipeline/` knows the keys; the dynamic ones are told to Dagster here."""

from pathlib import Path

import dagster as dg

from clip_pipeline.defs.resources import starting_recipe
from clip_pipeline.models.registry import list_models
from clip_pipeline.pipeline.steps.adaptation import adaptation_dimensions
from clip_pipeline.pipeline.steps.benchmark_datasets import dataset_names_of
from clip_pipeline.pipeline.steps.training import possible_image_formats
from clip_pipeline.pipeline.workspace import Workspace

_RECIPE = starting_recipe()

dump_parts = dg.DynamicPartitionsDefinition(name="dump_parts")
shards = dg.DynamicPartitionsDefinition(name="shards")
buckets = dg.StaticPartitionsDefinition([f"{bucket:03d}" for bucket in range(_RECIPE.links.buckets)])
models = dg.StaticPartitionsDefinition(sorted({*list_models(), Path(_RECIPE.training.model).stem}))
image_formats = dg.StaticPartitionsDefinition(possible_image_formats(Workspace("data", _RECIPE)))
datasets = dg.StaticPartitionsDefinition(dataset_names_of(_RECIPE))
datasets_by_model = dg.MultiPartitionsDefinition({"dataset": datasets, "model": models})
methods_by_fraction = dg.MultiPartitionsDefinition(
    {name: dg.StaticPartitionsDefinition(keys) for name, keys in adaptation_dimensions(_RECIPE).items()}
)

PARTITIONS: dict[str, dg.PartitionsDefinition] = {
    "word_counts": dump_parts,
    "image_links": buckets,
    "image_shards": shards,
    "benchmark_dataset": datasets,
    "decoded_images": image_formats,
    "clip_checkpoint": models,
    "embedding_runtime": models,
    "parallelism_benchmark": models,
    "image_embeddings": datasets_by_model,
    "text_embeddings": datasets_by_model,
    "zero_shot_scores": datasets_by_model,
    "retrieval_scores": datasets_by_model,
    "probe_scores": datasets_by_model,
    "unit_inference": models,
    "adaptation_scores": methods_by_fraction,
}
"""Assets that are not named have no partitions."""

MAKES_PARTITIONS_OF = {"wikipedia_dump": ("word_counts", dump_parts), "photo_catalog": ("image_shards", shards)}
"""Asset -> (the asset whose dynamic partitions it decides, their definition)."""


def partition_mapping(upstream: str, downstream: str) -> dg.PartitionMapping | None:
    """How partitions of `downstream` map to those of `upstream`; None where Dagster's own rule is right."""
    two_dimensions = PARTITIONS.get(downstream) is datasets_by_model
    if two_dimensions and PARTITIONS.get(upstream) is datasets:
        return dg.MultiToSingleDimensionPartitionMapping("dataset")
    if two_dimensions and PARTITIONS.get(upstream) is models:
        return dg.MultiToSingleDimensionPartitionMapping("model")
    if upstream in PARTITIONS and PARTITIONS.get(downstream) is not PARTITIONS[upstream]:
        return dg.AllPartitionMapping()
    return None


def register_partitions(instance: dg.DagsterInstance, asset: str, keys: list[str]) -> None:
    """Makes Dagster's dynamic partitions of `asset` equal to `keys`; does nothing for other kinds of partitions."""
    definition = PARTITIONS.get(asset)
    if not isinstance(definition, dg.DynamicPartitionsDefinition) or definition.name is None:
        return
    known = set(instance.get_dynamic_partitions(definition.name))
    instance.add_dynamic_partitions(definition.name, [key for key in keys if key not in known])
    for key in sorted(known - set(keys)):
        instance.delete_dynamic_partition(definition.name, key)
