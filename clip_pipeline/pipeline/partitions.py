"""The partitions that there are now, by what an asset is divided by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import InputError, SettingsError
from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, TrainingSettings
from clip_pipeline.settings.variants import list_variants

if TYPE_CHECKING:
    from clip_pipeline.training.data.image_format import ImageFormat


BY_VARIANT = (Partitions.DATASETS_BY_VARIANT, Partitions.SHARDS_BY_VARIANT, Partitions.TRIALS_BY_VARIANT)
"""Kinds of two dimensions, of which the second is a training variant."""


def partition_keys(workspace: Workspace, asset: Asset) -> list[str]:
    """The partitions of an asset, in order; `[""]` for one without. Raises MissingArtifactError where they are not known yet."""
    return _KEYS[asset.partitions](workspace)


def dump_parts(workspace: Workspace) -> list[str]:
    """Parts of the dump: part-000, part-001, ..."""
    dump = workspace.get("wikipedia_dump")
    return [Path(name).stem for name in sorted(dump.manifest["files"]) if name.startswith("parts/")]


def bucket_keys(recipe: Recipe) -> list[str]:
    """Buckets of words: 000, 001, ..."""
    return [f"{bucket:03d}" for bucket in range(recipe.links.buckets)]


def shard_keys(workspace: Workspace) -> list[str]:
    """Shards of the photos: those that the catalog names now."""
    names = workspace.get("photo_catalog").manifest["files"]
    return sorted(Path(name).stem for name in names if name.startswith("shards/"))


def dataset_names(workspace: Workspace) -> list[str]:
    """All datasets: those of the recipe, where a folder goes by its last name, and those that were added to the data folder.
    No definition is read. Raises SettingsError, DatasetError."""
    from clip_pipeline.evaluation.datasets.added import list_datasets

    return list_datasets(workspace.store.root, workspace.recipe.evaluation.datasets)


def variant_names(workspace: Workspace) -> list[str]:
    """The training variants: the recipe's own, then those that were added to the data folder, sorted. No definition is read."""
    return list_variants(workspace.store.root, workspace.recipe)


def datasets_by_variant(workspace: Workspace) -> list[str]:
    """Keys "dataset|variant", as Dagster writes those of two dimensions."""
    return [f"{dataset}|{variant}" for dataset in dataset_names(workspace) for variant in variant_names(workspace)]


def shards_by_variant(workspace: Workspace) -> list[str]:
    """Keys "shard|variant", all shards of a variant before the next variant."""
    shards = shard_keys(workspace)
    return [f"{shard}|{variant}" for variant in variant_names(workspace) for shard in shards]


def halves(partition: str) -> tuple[str, str]:
    """(dataset, variant), or a shard or a trial with its variant, of a partition of two dimensions."""
    first, _, second = partition.partition("|")
    return first, second


def variant_of(asset: Asset, partition: str) -> str:
    """The training variant of a partition; "" for an asset that no variant's settings decide."""
    if asset.partitions in BY_VARIANT:
        return halves(partition)[1]
    return partition if asset.partitions in (Partitions.VARIANTS, Partitions.ADAPTED_VARIANTS) else ""


def dataset_of(asset: Asset, partition: str) -> str:
    """The benchmark dataset of a partition; "" for an asset that is not divided by them."""
    if asset.partitions == Partitions.DATASETS_BY_VARIANT:
        return halves(partition)[0]
    return partition if asset.partitions == Partitions.DATASETS else ""


def of_chosen_variants(workspace: Workspace, asset: Asset, partitions: list[str]) -> list[str]:
    """Those of the partitions that belong to the variants that the workspace is for, or to all of them alike."""
    chosen = workspace.only_variants
    if not chosen:
        return partitions
    if asset.partitions == Partitions.IMAGE_FORMATS:
        formats = {
            name for variant in chosen for name in variant_image_format(workspace.of_variant(variant).recipe.training)
        }
        return [name for name in partitions if name in formats]
    return [key for key in partitions if variant_of(asset, key) in ("", *chosen)]


def image_formats(workspace: Workspace) -> list[str]:
    """The sizes and ways of resizing of the decoded images of all variants; none where photos are decoded as they are needed.

    A variant whose definition is broken, or whose format cannot be known yet, is left out: its own checkpoint says why.
    """
    formats = []
    for name in variant_names(workspace):
        try:
            formats += variant_image_format(workspace.of_variant(name).recipe.training)
        except (SettingsError, InputError):
            if name == workspace.variant:
                raise
    return list(dict.fromkeys(formats))


def variant_image_format(settings: TrainingSettings) -> list[str]:
    """The format of the decoded images of a training, or none. Raises SettingsError, ModelError."""
    return [_image_format(settings).name] if settings.cache_decoded_images else []


def _image_format(settings: TrainingSettings) -> ImageFormat:
    from clip_pipeline.training.data.image_format import image_format
    from clip_pipeline.training.model.initial_model import initial_preprocess
    from clip_pipeline.training.options import architecture_of

    return image_format(initial_preprocess(architecture_of(settings), settings.init_from), settings.cached_image_size)


def adapted_variants(workspace: Workspace) -> list[str]:
    """The training variants, or none where the recipe adapts to nothing."""
    return variant_names(workspace) if workspace.recipe.adaptation.dataset else []


def trial_names(recipe: Recipe) -> list[str]:
    """Ways of adapting at a fraction of the photos, "lora@010": all methods of a fraction before the next fraction, full just
    before wise_ft. None where the recipe adapts to nothing."""
    from clip_pipeline.adaptation.fractions import percent_key
    from clip_pipeline.adaptation.sweep import sweep_trials

    if not recipe.adaptation.dataset:
        return []
    trials = sweep_trials(recipe.adaptation)
    return list(dict.fromkeys(f"{trial.method}@{percent_key(trial.percent)}" for trial in trials))


def trials_by_variant(workspace: Workspace) -> list[str]:
    """Keys "trial|variant", all trials of a variant before the next variant."""
    trials = trial_names(workspace.recipe)
    return [f"{trial}|{variant}" for variant in adapted_variants(workspace) for trial in trials]


def language_model_keys(recipe: Recipe) -> list[str]:
    """Language models with their seeds, "router@4-0". Raises SettingsError where language.models asks for what there is not."""
    from clip_pipeline.language.asked import asked_models

    return [model.key for model in asked_models(recipe.language)]


_KEYS: dict[Partitions, Callable[[Workspace], list[str]]] = {
    Partitions.NONE: lambda workspace: [""],
    Partitions.DUMP_PARTS: dump_parts,
    Partitions.WORD_BUCKETS: lambda workspace: bucket_keys(workspace.recipe),
    Partitions.SHARDS: shard_keys,
    Partitions.DATASETS: dataset_names,
    Partitions.IMAGE_FORMATS: image_formats,
    Partitions.VARIANTS: variant_names,
    Partitions.DATASETS_BY_VARIANT: datasets_by_variant,
    Partitions.SHARDS_BY_VARIANT: shards_by_variant,
    Partitions.TRIALS_BY_VARIANT: trials_by_variant,
    Partitions.ADAPTED_VARIANTS: adapted_variants,
    Partitions.LANGUAGE_MODELS: lambda workspace: language_model_keys(workspace.recipe),
}
