"""The classes of a dataset without its photos: for asking a model about photos of one's own."""

from __future__ import annotations

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.choice import parse_choice
from clip_pipeline.evaluation.datasets.entry import entries
from clip_pipeline.evaluation.datasets.names import class_names
from clip_pipeline.evaluation.datasets.opening import open_choice
from clip_pipeline.evaluation.datasets.templates import own_templates


def classes_of(given: str) -> tuple[list[str], tuple[str, ...]]:
    """(class names, templates) of a dataset by its name, NAME=PATH or path; by its name alone where the registry knows them.

    A name that two classes have is there once. Raises DatasetError for a dataset of captions, and as `open_dataset`.
    """
    choice = parse_choice(given)
    entry = entries().get(choice.entry)
    if entry is not None:
        known = class_names(entry)
        if known:
            return list(dict.fromkeys(known.values())), own_templates(entry)
        if not choice.path and entry.task == "labels" and entry.needs_files:
            raise DatasetError(
                f"The class names of {entry.title} are in its files: write {entry.name}=PATH, or name them with --labels."
            )
    dataset = open_choice(choice)
    if dataset.labels is None:
        raise DatasetError(f"{dataset.name} has captions and no classes. Name a dataset with labels, or give --labels.")
    return list(dict.fromkeys(dataset.class_names)), dataset.templates
