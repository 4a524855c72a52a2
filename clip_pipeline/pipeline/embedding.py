"""image_embeddings, text_embeddings: one partition a dataset and model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.pipeline.benchmark_datasets import dataset_names, stored_dataset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.training import model_names
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.store import Built

if TYPE_CHECKING:
    pass


def datasets_by_model(workspace: Workspace) -> list[str]:
    """Partitions "dataset|model", as Dagster writes keys of two dimensions."""
    return [f"{dataset}|{model}" for dataset in dataset_names(workspace) for model in model_names(workspace)]


def halves(partition: str) -> tuple[str, str]:
    """(dataset, model) of a partition."""
    dataset, _, model = partition.partition("|")
    return dataset, model


def _inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    dataset, model = halves(partition)
    return {
        f"benchmark_dataset[{dataset}]": workspace.get("benchmark_dataset", dataset).content,
        f"clip_checkpoint[{model}]": workspace.get("clip_checkpoint", model).content,
    }


def _build_image_embeddings(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    from clip_pipeline.embedding.dataset import embed_dataset_images

    dataset, model = halves(partition)
    photos = stored_dataset(workspace, dataset)
    facts = embed_dataset_images(
        workspace.get("clip_checkpoint", model).folder,
        ((photo_id, partial(photos.read, row)) for row, photo_id in enumerate(photos.ids)),
        len(photos.ids),
        folder,
        workspace.recipe.embedding,
        workspace.recipe.compute,
        work,
    )
    return Built(rows={"photos": facts["photos"]}, facts=facts)


def _build_text_embeddings(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    from clip_pipeline.embedding.dataset import embed_dataset_texts
    from clip_pipeline.evaluation.prompts import texts_to_embed

    dataset, model = halves(partition)
    facts = embed_dataset_texts(
        workspace.get("clip_checkpoint", model).folder,
        texts_to_embed(stored_dataset(workspace, dataset), workspace.recipe.evaluation.templates),
        folder,
        workspace.recipe.embedding,
        workspace.recipe.compute,
    )
    return Built(rows={"texts": facts["texts"]}, facts=facts)


STEPS = (
    Step(
        asset="image_embeddings",
        about="Unit vectors of a dataset's photos, float16, with the id of every row.",
        code_version="2",
        after=("benchmark_dataset", "clip_checkpoint"),
        config=lambda workspace: fingerprinted(workspace.recipe.embedding),
        inputs=_inputs,
        build=_build_image_embeddings,
        partitions=datasets_by_model,
    ),
    Step(
        asset="text_embeddings",
        about="Unit vectors of a dataset's class prompts or captions.",
        code_version="3",
        after=("benchmark_dataset", "clip_checkpoint"),
        config=lambda workspace: {
            **fingerprinted(workspace.recipe.embedding),
            "evaluation.templates": workspace.recipe.evaluation.templates,
        },
        inputs=_inputs,
        build=_build_text_embeddings,
        partitions=datasets_by_model,
    ),
)
