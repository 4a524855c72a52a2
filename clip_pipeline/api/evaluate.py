"""Scores of a model on a dataset of the user's own, of the registry, or the sandbox's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.dataset import MakeRuntime, embed_dataset_images, embed_dataset_texts
from clip_pipeline.evaluation.clip_benchmark_form import write_clip_benchmark_files
from clip_pipeline.evaluation.datasets import Dataset, only_split, open_dataset, splits_of
from clip_pipeline.evaluation.datasets.scored_splits import scored_splits
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint
from clip_pipeline.evaluation.prompts import texts_to_embed
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.retrieval import retrieval_scores
from clip_pipeline.evaluation.runtime_choice import runtime_for_dataset
from clip_pipeline.evaluation.scores import write_scores_csv
from clip_pipeline.evaluation.zero_shot import zero_shot_scores
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.models.folder import check_model
from clip_pipeline.models.identity import model_facts
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.storage.published import check_output_file, check_output_folder, published_file, published_folder
from clip_pipeline.storage.scratch import scratch_folder

SANDBOX = "sandbox"


def predictions_folder(output: str | Path) -> Path:
    """Where the predictions of a scores file lie: scores.json has scores_predictions/ beside it."""
    output = Path(output).expanduser().absolute()
    return output.with_name(f"{output.stem}_predictions")


def evaluate(
    model: str | Path,
    dataset: str | Path | Dataset,
    output: str | Path,
    *,
    recipe: str | Recipe = "",
    settings: Settings = (),
    device: str | None = None,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Embeds the dataset, scores it, writes the rows to `output` as JSON and returns them: records.SCORES, fractions in 0..1
    with their 95 % intervals.

    model: a folder, or a name as `load` takes it. dataset: an open `Dataset`, or a name (sandbox, digits), NAME=PATH or a path, as
    `open_dataset` reads it. Zero-shot (Radford et al. 2021) where it has labels, retrieval (recall@k, each split for itself) where
    it has captions. `predictions_folder(output)` gets every sample's outcome, scores.csv and CLIP_benchmark's files. recipe,
    settings: of which `evaluation`, `embedding` and `compute` count. device: of compute.device. progress: show bars on a terminal. A
    killed run goes on where it was. Raises DatasetError, ModelError, SettingsError with a sentence for the user.
    """
    chosen = recipe_of(recipe, settings, device)
    check_output_file(output)
    check_output_folder(predictions_folder(output))
    with shown_progress(progress), _opened(dataset) as found:
        opened = scored_splits(found)
        texts_to_embed(
            opened, chosen.evaluation.templates
        )  # an unknown set of prompts is said before the model is loaded
        check_model(model)
        runtime = runtime_for_dataset(model, opened, chosen.embedding, chosen.compute)
        with published_folder(predictions_folder(output)) as (folder, work):
            rows = _score(model, opened, chosen, runtime, folder, work)
            rows = [_seen_from_above(row, predictions_folder(output).name) for row in rows]
            write_scores_csv(rows, folder / "scores.csv")
            write_clip_benchmark_files(rows, _name(model), folder)
    with published_file(output) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def _score(
    model: str | Path, dataset: Dataset, recipe: Recipe, runtime: MakeRuntime | None, folder: Path, work: Path
) -> list[dict[str, Any]]:
    """The rows of every part, zero-shot as a whole, retrieval a split; predictions are named as seen from `folder`."""
    weights, logit_scale = model_facts(str(model))
    embedding, compute = recipe.embedding, recipe.compute
    rows: list[dict[str, Any]] = []
    parts = [dataset] if dataset.task == "zero_shot" else [only_split(dataset, split) for split in splits_of(dataset)]
    for part in parts:
        below = part.task if part.task == "zero_shot" else f"retrieval_{part.splits[0]}"
        images, texts = work / below / "images", work / below / "texts"
        scored = Scored(_name(model), weights, dataset_fingerprint(part), logit_scale)
        prompts = texts_to_embed(part, recipe.evaluation.templates)
        embed_dataset_texts(model, prompts, texts, embedding, compute)
        embed_dataset_images(
            model,
            part.images(),
            len(part.ids),
            images,
            embedding,
            compute,
            work=work / f"{below}_blocks",
            identity=scored.dataset_sha256,
            runtime=runtime,
        )
        if part.task == "zero_shot":
            found = zero_shot_scores(images, texts, part.truth(), recipe.evaluation, folder / below, scored)
        else:
            found = retrieval_scores(
                images, texts, part.name, part.splits[0], recipe.evaluation, folder / below, scored
            )
        rows += [_seen_from_above(row, below) for row in found]
    return rows


def _name(model: str | Path) -> str:
    return Path(model).absolute().name if Path(model).is_dir() else str(model)


def _seen_from_above(row: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The row with its predictions named as they are seen from the folder above."""
    block = row["provenance"]
    return {**row, "provenance": {**block, "predictions": f"{folder}/{block['predictions']}"}}


@contextmanager
def _opened(dataset: str | Path | Dataset) -> Iterator[Dataset]:
    if isinstance(dataset, Dataset):
        yield dataset
    elif dataset == SANDBOX:
        with scratch_folder("dataset") as scratch:
            yield _sandbox_benchmark(scratch)
    else:
        yield open_dataset(dataset)


def _sandbox_benchmark(folder: Path) -> Dataset:
    """The labelled photos of the generated world, downloaded from it on loopback."""
    from clip_pipeline.pipeline.steps.benchmark_datasets import SANDBOX_BENCHMARK
    from clip_pipeline.sandbox.server import start_sandbox
    from clip_pipeline.settings import SandboxSettings
    from clip_pipeline.sources.benchmarks import download_benchmark

    with start_sandbox(SandboxSettings()) as world:
        download_benchmark(SANDBOX_BENCHMARK, folder, world.hosts)
    return open_dataset(folder, SANDBOX)
