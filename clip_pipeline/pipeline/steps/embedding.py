"""embedding_runtime, a partition a training variant; image_embeddings and text_embeddings, one a dataset and variant."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.embedding.runtimes.choice import MEASURING, Measuring, write_choice
from clip_pipeline.errors import Materialise, MissingRuntimeError
from clip_pipeline.evaluation.runtime_choice import (
    CHOICE_FILE,
    REFERENCE,
    Photos,
    built_in_dataset,
    candidates,
    measured_choice,
    needs_measuring,
    runtime_maker,
    spread,
)
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import dataset_names, halves
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.settings.fields import speed_settings
from clip_pipeline.storage.manifest import Built

# ---- embedding_runtime: one partition a training variant

CHOICE_SETTINGS = ("runtime", "min_photos")


def _runtime_config(workspace: Workspace) -> dict[str, Any]:
    settings = workspace.recipe.embedding
    if settings.runtime == REFERENCE:
        return {"runtime": REFERENCE}
    return {name: getattr(settings, name) for name in CHOICE_SETTINGS} | {"candidates": candidates()}


def _runtime_inputs(workspace: Workspace, variant: str) -> dict[str, str]:
    if workspace.recipe.embedding.runtime == REFERENCE:
        return {}
    datasets = {
        f"benchmark_dataset[{name}]": workspace.get("benchmark_dataset", name).content
        for name in _datasets_there(workspace)
    }
    return datasets | {f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content}


def _datasets_there(workspace: Workspace) -> list[str]:
    """A dataset that cannot be made keeps no other from being embedded. Raises MissingArtifactError where none is there."""
    names = dataset_names(workspace)
    there = [name for name in names if workspace.find("benchmark_dataset", name)[0]]
    if names and not there:
        workspace.get("benchmark_dataset", names[0])
    return there


def build_runtime(context: BuildContext, measuring: Measuring = MEASURING) -> Built:
    """The choice alone is content: measured again on a slower day, the same choice leaves the embeddings fresh.

    measuring: how, where something is to be measured.
    """
    workspace, folder = context.workspace, context.folder
    settings = workspace.recipe.embedding
    is_open = settings.runtime != REFERENCE
    photos, count = _photos_of_datasets(workspace) if is_open else ((), 0)
    if not needs_measuring(settings, count):
        why = f"{count:,} photos, fewer than embedding.min_photos" if is_open else "named in the settings"
        (folder / CHOICE_FILE).write_text(json.dumps({"runtime": REFERENCE, "agrees": True}) + "\n")
        return Built(rows={"measured": 0}, facts={"runtime": REFERENCE, "why": why})
    datasets = (stored_dataset(workspace, name) for name in _datasets_there(workspace))
    labelled = next((dataset for dataset in datasets if dataset.task == "zero_shot"), None)
    choice = measured_choice(
        workspace.get("clip_checkpoint", context.partition).folder,
        photos,
        count,
        built_in_dataset if labelled is None else lambda: labelled,
        settings,
        workspace.recipe.compute,
        workspace.store.root,
        context.work,
        measuring,
    )
    (folder / CHOICE_FILE).write_text(json.dumps({"runtime": choice.runtime, "agrees": True}) + "\n")
    sidecars = write_choice(choice, folder)
    return Built(rows={"measured": len(choice.measurements)}, facts=choice.as_facts(), sidecars=sidecars)


def _photos_of_datasets(workspace: Workspace) -> tuple[Photos, int]:
    """All photos that are embedded, of every dataset that is there, and their number."""
    datasets = [stored_dataset(workspace, name) for name in _datasets_there(workspace)]
    photos = (
        (f"{number}/{photo_id}", partial(dataset.read, row))
        for number, dataset in enumerate(datasets)
        for row, photo_id in enumerate(dataset.ids)
    )
    return photos, sum(len(dataset.ids) for dataset in datasets)


def chosen_runtime(workspace: Workspace, variant: str) -> str:
    """The name of the runtime that embeds the photos with a variant's model: fp32 where the settings say so, else the measured one."""
    if workspace.recipe.embedding.runtime == REFERENCE:
        return REFERENCE
    return json.loads(workspace.get("embedding_runtime", variant).file(CHOICE_FILE).read_text())["runtime"]


# ---- image_embeddings, text_embeddings: one partition a dataset and variant


def vectors_config(workspace: Workspace) -> dict[str, Any]:
    """How vectors are stored; the settings of the choice are in the artifact that it makes."""
    settings = fingerprinted(workspace.recipe.embedding)
    return {name: value for name, value in settings.items() if name not in CHOICE_SETTINGS}


def _image_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    _, variant = halves(partition)
    return _text_inputs(workspace, partition) | {f"embedding_runtime[{variant}]": chosen_runtime(workspace, variant)}


def _text_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    dataset, variant = halves(partition)
    return {
        f"benchmark_dataset[{dataset}]": workspace.get("benchmark_dataset", dataset).content,
        f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content,
    }


def _build_image_embeddings(context: BuildContext) -> Built:
    dataset, _ = halves(context.partition)
    photos = stored_dataset(context.workspace, dataset)
    reads = ((photo_id, partial(photos.read, row)) for row, photo_id in enumerate(photos.ids))
    return embed_photos(context, reads, len(photos.ids))


def embed_photos(context: BuildContext, photos: Photos, count: int) -> Built:
    """The vectors of photos with the model of the partition's variant. count: of the photos."""
    from clip_pipeline.embedding.dataset import embed_dataset_images

    workspace = context.workspace
    _, variant = halves(context.partition)
    left_out = LeftOut()
    try:
        facts = embed_dataset_images(
            workspace.get("clip_checkpoint", variant).folder,
            photos,
            count,
            context.folder,
            workspace.recipe.embedding,
            workspace.recipe.compute,
            context.work,
            runtime=runtime_maker(chosen_runtime(workspace, variant), workspace.recipe.compute, workspace.store.root),
            left_out=left_out,
        )
    except MissingRuntimeError as error:
        raise MissingRuntimeError(
            f"{error} It was chosen on another machine.", Materialise("embedding_runtime", variant, again=True)
        ) from error
    return Built(rows={"photos": facts["photos"]}, facts=facts | left_out.facts())


def _build_text_embeddings(context: BuildContext) -> Built:
    from clip_pipeline.embedding.dataset import embed_dataset_texts
    from clip_pipeline.evaluation.prompts import texts_to_embed

    workspace = context.workspace
    dataset, variant = halves(context.partition)
    facts = embed_dataset_texts(
        workspace.get("clip_checkpoint", variant).folder,
        texts_to_embed(stored_dataset(workspace, dataset), workspace.recipe.evaluation.templates),
        context.folder,
        workspace.recipe.embedding,
        workspace.recipe.compute,
    )
    return Built(rows={"texts": facts["texts"]}, facts=facts)


# ---- parallelism_benchmark: one partition a training variant, on request


def _sweep_inputs(workspace: Workspace, variant: str) -> dict[str, str]:
    from clip_pipeline.machine.cores import usable_cores

    datasets = {
        f"benchmark_dataset[{name}]": workspace.get("benchmark_dataset", name).content
        for name in _datasets_there(workspace)
    }
    return datasets | {
        f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content,
        f"embedding_runtime[{variant}]": chosen_runtime(workspace, variant),
        "cores": str(usable_cores()),
    }


def _build_sweep(context: BuildContext) -> Built:
    """Timings are no content: what was measured is, the grid and the runtime."""
    from clip_pipeline.embedding.parallelism.figure import draw_sweep
    from clip_pipeline.embedding.parallelism.sweep import (
        MAX_IMAGES,
        grid_of,
        lay_ready,
        run_sweep,
        usable_cores,
        write_table,
    )
    from clip_pipeline.embedding.parallelism.trial import Work
    from clip_pipeline.training.memory import free_bytes

    workspace, variant, folder, work = context.workspace, context.partition, context.folder, context.work
    settings = workspace.recipe.parallelism
    cells = grid_of(settings.processes, settings.threads, usable_cores())
    checkpoint = workspace.get("clip_checkpoint", variant).folder
    some = spread(*_photos_of_datasets(workspace), min(MAX_IMAGES, settings.photos))
    images = lay_ready(checkpoint, ((photo_id, read()) for photo_id, read in some), work)
    task = Work(
        str(checkpoint),
        chosen_runtime(workspace, variant),
        str(workspace.store.root),
        str(work),
        images,
        settings.photos,
        settings.repeats,
    )
    rows = run_sweep(cells, task, work, partial(free_bytes, "cpu"))
    sidecars = write_table(rows, folder)
    draw_sweep(rows, folder / "parallelism.png")
    grid = {"cells": cells, "runtime": task.runtime, "photos": task.photos, "repeats": task.repeats}
    (folder / "grid.json").write_text(json.dumps(grid, indent=1) + "\n")
    best = max((row for row in rows if row["photos_per_second"]), key=lambda row: row["photos_per_second"])
    facts = {
        "runtime": task.runtime,
        "fastest": f"{best['processes']} × {best['threads']} threads, {best['photos_per_second']:,.1f} photos/s ({best['kind']})",
    }
    return Built(rows={"rows": len(rows)}, facts=facts, sidecars=(*sidecars, "parallelism.png"))


BUILDERS = {
    "embedding_runtime": Builder(
        config=_runtime_config,
        inputs=_runtime_inputs,
        build=build_runtime,
        speed=("compute.device", "compute.threads"),
    ),
    "image_embeddings": Builder(
        config=vectors_config,
        inputs=_image_inputs,
        build=_build_image_embeddings,
        speed=(*speed_settings("compute"), "embedding.batch_size"),
    ),
    "text_embeddings": Builder(
        config=lambda workspace: {
            **vectors_config(workspace),
            "evaluation.templates": workspace.recipe.evaluation.templates,
        },
        inputs=_text_inputs,
        build=_build_text_embeddings,
        speed=("compute.device", "compute.threads", "embedding.batch_size"),
    ),
    "parallelism_benchmark": Builder(
        config=lambda workspace: fingerprinted(workspace.recipe.parallelism),
        inputs=_sweep_inputs,
        build=_build_sweep,
    ),
}
