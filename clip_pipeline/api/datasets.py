"""Benchmark datasets: from their publisher, into a data folder beside those of the recipe, and out of it."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.pipeline.leftovers import artifacts_of_dataset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import recipe_of
from clip_pipeline.storage.published import check_growing_folder


def download_dataset(
    dataset: str,
    folder: str | Path,
    *,
    accept_terms: bool = False,
    mirror: str = "",
    keep_archives: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Downloads a dataset into `folder`, verified by the publisher's checksums, unpacked and checked; returns photos by split.

    dataset: a name of the registry, or the address of a dataset in CLIP_benchmark's webdataset layout. accept_terms: you agree to the
    terms of a dataset that has some. mirror: a site that has the same files under the same names. keep_archives: leave them beside
    what is unpacked. progress: show bars on a terminal. A download that broke off goes on when it is called again. Raises
    DatasetError for an unknown one or one that may not be downloaded for you, MissingKeyError where terms were not accepted,
    SourceError, DiskError.
    """
    from clip_pipeline.evaluation.datasets import download, splits_of
    from clip_pipeline.evaluation.datasets.entry import find_entry
    from clip_pipeline.sources.benchmarks import download_benchmark

    check_growing_folder(folder)
    folder = Path(folder)
    with shown_progress(progress):
        if dataset.startswith(("http://", "https://")):
            return dict(download_benchmark(dataset, folder, {}))
        opened = download.download_dataset(find_entry(dataset), folder, {}, mirror, accept_terms, keep_archives)
    return {split: opened.splits.count(split) for split in splits_of(opened)}


def add_dataset(dataset: str, data: str | Path = "data", *, recipe: str | Recipe = "sandbox") -> str:
    """Defines a dataset, as the file `datasets/NAME.toml` of the data folder; `run` then scores every variant on it too. Returns
    its name.

    dataset: a name of the registry, NAME=PATH, or a path, as evaluation.datasets takes them; its files are opened once, and none of
    its photos is read. Raises DatasetError where nothing is at the path, or no dataset, SettingsError for a name that means another dataset already.
    """
    from clip_pipeline.evaluation.datasets.added import define_dataset
    from clip_pipeline.evaluation.datasets.choice import HELD_OUT, parse_choice, path_of
    from clip_pipeline.evaluation.datasets.opening import open_choice

    choice = parse_choice(dataset)
    if choice.entry != HELD_OUT and path_of(choice) is not None:
        open_choice(choice)
    with Workspace(data, recipe_of(recipe)) as workspace:
        return define_dataset(workspace.store.root, workspace.recipe.evaluation.datasets, dataset).name


def remove_dataset(name: str, data: str | Path = "data", *, recipe: str | Recipe = "sandbox") -> list[Path]:
    """Removes the definition of a dataset that was added, and nothing else; returns the folders of its artifacts, which stay.

    Raises SettingsError where there is no such dataset, and for one of the recipe.
    """
    from clip_pipeline.evaluation.datasets.added import remove_definition

    with Workspace(data, recipe_of(recipe)) as workspace:
        remove_definition(workspace.store.root, workspace.recipe.evaluation.datasets, name)
        return [artifact.folder for artifact in artifacts_of_dataset(workspace.store, name)]
