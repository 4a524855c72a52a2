"""`clip-pipeline evaluate`: scores of a model on a dataset of the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.dataset import MakeRuntime, embed_dataset_images, embed_dataset_texts
from clip_pipeline.evaluation.clip_benchmark_form import write_clip_benchmark_files
from clip_pipeline.evaluation.datasets import Dataset, only_split, open_dataset, splits_of
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint, model_facts
from clip_pipeline.evaluation.prompts import texts_to_embed
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.retrieval import retrieval_scores
from clip_pipeline.evaluation.scores import write_scores_csv
from clip_pipeline.evaluation.zero_shot import zero_shot_scores
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings, EvaluationSettings
from clip_pipeline.storage.published import published_file, published_folder


def predictions_folder(out_path: Path) -> Path:
    """Where the predictions of a scores file lie: scores.json has scores_predictions/ beside it."""
    out_path = Path(out_path).expanduser().absolute()
    return out_path.with_name(f"{out_path.stem}_predictions")


def evaluate_model(
    model: str | Path,
    dataset: str | Path | Dataset,
    out_path: Path,
    settings: EvaluationSettings,
    compute: ComputeSettings,
    embedding: EmbeddingSettings | None = None,
    runtime: MakeRuntime | None = None,
) -> list[dict[str, Any]]:
    """Embeds the dataset, scores it, writes the rows to `out_path` as JSON and returns them.

    model: a folder, or a name as `open_model` takes it. dataset: an open Dataset, or a folder as `open_dataset` reads it.
    Zero-shot where it has labels, retrieval (each split for itself) where it has captions. `predictions_folder(out_path)`
    gets every sample's outcome, scores.csv and CLIP_benchmark's files. runtime: what embeds the photos; None is plain fp32.
    A killed run goes on where it was. Raises DatasetError or ModelError with a sentence for the user.
    """
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    texts_to_embed(opened, settings.templates)  # an unknown set of prompts is told before the model is loaded
    embedding = embedding or EmbeddingSettings()
    name = Path(model).absolute().name if Path(model).is_dir() else str(model)
    place = predictions_folder(out_path)
    with published_folder(place) as (folder, work):
        weights, logit_scale = model_facts(str(model))
        rows: list[dict[str, Any]] = []
        parts = [opened] if opened.task == "zero_shot" else [only_split(opened, split) for split in splits_of(opened)]
        for part in parts:
            below = part.task if part.task == "zero_shot" else f"retrieval_{part.splits[0]}"
            vectors = work / below
            texts = texts_to_embed(part, settings.templates)
            scored = Scored(name, weights, dataset_fingerprint(part), logit_scale)
            images = (part.images(), len(part.ids), vectors / "images", embedding, compute)
            embed_dataset_texts(model, texts, vectors / "texts", embedding, compute)
            embed_dataset_images(
                model, *images, work=work / f"{below}_blocks", identity=scored.dataset_sha256, runtime=runtime
            )
            inputs = (vectors / "images", vectors / "texts")
            if part.task == "zero_shot":
                found = zero_shot_scores(*inputs, part.truth(), settings, folder / below, scored)
            else:
                found = retrieval_scores(*inputs, part.name, part.splits[0], settings, folder / below, scored)
            rows += [_seen_from_above(row, f"{place.name}/{below}") for row in found]
        write_scores_csv(rows, folder / "scores.csv")
        write_clip_benchmark_files(rows, name, folder)
    with published_file(out_path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def _seen_from_above(row: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The row with its predictions named as they are seen from the folder of the scores file."""
    block = row["provenance"]
    return {**row, "provenance": {**block, "predictions": f"{folder}/{block['predictions']}"}}
