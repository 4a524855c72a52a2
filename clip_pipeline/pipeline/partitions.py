"""The partitions that there are now, by what an asset is divided by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, TrainingSettings

if TYPE_CHECKING:
    from clip_pipeline.training.data.decoded_images import ImageFormat


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


def dataset_names(recipe: Recipe) -> list[str]:
    """All datasets of the recipe: a folder goes by its last name. Raises SettingsError, DatasetError."""
    from clip_pipeline.evaluation.datasets.choice import parse_choices

    return sorted(parse_choices(recipe.evaluation.datasets))


def model_names(recipe: Recipe) -> list[str]:
    """The models of the recipe: a configuration file of the user's own goes by its name."""
    return [Path(recipe.training.model).stem]


def datasets_by_model(recipe: Recipe) -> list[str]:
    """Keys "dataset|model", as Dagster writes those of two dimensions."""
    return [f"{dataset}|{model}" for dataset in dataset_names(recipe) for model in model_names(recipe)]


def halves(partition: str) -> tuple[str, str]:
    """(dataset, model), or (method, percent), of a partition of two dimensions."""
    first, _, second = partition.partition("|")
    return first, second


def image_formats(recipe: Recipe) -> list[str]:
    """The size and way of resizing of the recipe's decoded images; none where photos are decoded as they are needed."""
    return [_image_format(recipe.training).name] if recipe.training.cache_decoded_images else []


def _image_format(settings: TrainingSettings) -> ImageFormat:
    from clip_pipeline.training.data.decoded_images import image_format
    from clip_pipeline.training.model.initial_model import initial_preprocess
    from clip_pipeline.training.options import architecture_of

    return image_format(initial_preprocess(architecture_of(settings), settings.init_from), settings.cached_image_size)


def possible_image_formats(recipe: Recipe) -> list[str]:
    """Formats that any model's images may have, and those of the recipe; of a model that is gone on from, both ways of
    resizing, since its folder may not be there yet."""
    from clip_pipeline.models.folder import preprocess_config
    from clip_pipeline.models.registry import list_models, load_config
    from clip_pipeline.training.data.decoded_images import RESIZE_MODES, ImageFormat
    from clip_pipeline.training.options import architecture_of

    settings = recipe.training
    config = architecture_of(settings)
    wanted = [preprocess_config(entry) for entry in (config, *(load_config(name) for name in list_models()))]
    formats = [ImageFormat(entry["size"][0], entry["resize_mode"]) for entry in wanted]
    side = settings.cached_image_size or wanted[0]["size"][0]
    formats += [
        ImageFormat(side, mode) for mode in (RESIZE_MODES if settings.init_from else (wanted[0]["resize_mode"],))
    ]
    return sorted({entry.name for entry in formats})


def adaptation_wanted(recipe: Recipe) -> list[str]:
    """The one partition of assets without partitions, or none where the recipe adapts to nothing."""
    return [""] if recipe.adaptation.dataset else []


def adaptation_dimensions(recipe: Recipe) -> dict[str, list[str]]:
    """The two dimensions of methods by fraction, in the order in which a key names them."""
    from clip_pipeline.adaptation.fractions import parse_percents, percent_key
    from clip_pipeline.adaptation.methods import parse_methods

    settings = recipe.adaptation
    percents = [percent_key(percent) for percent in parse_percents(settings.fractions)]
    return {"method": list(parse_methods(settings.methods)), "percent": percents}


def methods_by_fraction(recipe: Recipe) -> list[str]:
    """Keys "method|010", all methods of a fraction before the next fraction, full just before wise_ft."""
    from clip_pipeline.adaptation.fractions import percent_key
    from clip_pipeline.adaptation.sweep import sweep_trials

    if not adaptation_wanted(recipe):
        return []
    trials = sweep_trials(recipe.adaptation)
    return list(dict.fromkeys(f"{trial.method}|{percent_key(trial.percent)}" for trial in trials))


def _of_recipe(keys: Callable[[Recipe], list[str]]) -> Callable[[Workspace], list[str]]:
    return lambda workspace: keys(workspace.recipe)


_KEYS: dict[Partitions, Callable[[Workspace], list[str]]] = {
    Partitions.NONE: lambda workspace: [""],
    Partitions.DUMP_PARTS: dump_parts,
    Partitions.WORD_BUCKETS: _of_recipe(bucket_keys),
    Partitions.SHARDS: shard_keys,
    Partitions.DATASETS: _of_recipe(dataset_names),
    Partitions.IMAGE_FORMATS: _of_recipe(image_formats),
    Partitions.MODELS: _of_recipe(model_names),
    Partitions.DATASETS_BY_MODEL: _of_recipe(datasets_by_model),
    Partitions.METHODS_BY_FRACTION: _of_recipe(methods_by_fraction),
    Partitions.ADAPTATION: _of_recipe(adaptation_wanted),
}
