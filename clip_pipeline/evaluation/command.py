"""`clip-pipeline evaluate`: scores of a model on a dataset of the user's own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.dataset import embed_dataset_images, embed_dataset_texts
from clip_pipeline.evaluation.datasets import Dataset, only_split, open_dataset, splits_of
from clip_pipeline.evaluation.retrieval import retrieval_scores
from clip_pipeline.evaluation.zero_shot import zero_shot_scores
from clip_pipeline.publication import published_file
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings, EvaluationSettings


def evaluate_model(
    model_dir: Path,
    dataset: str | Path | Dataset,
    out_path: Path,
    settings: EvaluationSettings,
    compute: ComputeSettings,
    embedding: EmbeddingSettings | None = None,
) -> list[dict[str, Any]]:
    """Embeds the dataset, scores it, writes the rows to `out_path` as JSON and returns them.

    dataset: an open Dataset, or a folder as `open_dataset` reads it. Zero-shot where it has labels, retrieval (each
    split for itself) where it has captions. Raises DatasetError or ModelError with a sentence for the user.
    """
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    embedding = embedding or EmbeddingSettings()
    model = Path(model_dir).absolute().name
    with tempfile.TemporaryDirectory(prefix="clip_pipeline_evaluate_") as work:
        rows: list[dict[str, Any]] = []
        parts = [opened] if opened.task == "zero_shot" else [only_split(opened, split) for split in splits_of(opened)]
        for number, part in enumerate(parts):
            folder = Path(work, str(number))
            embed_dataset_texts(model_dir, part.texts(), folder / "texts", embedding, compute)
            embed_dataset_images(model_dir, part.images(), len(part.ids), folder / "images", embedding, compute)
            if part.task == "zero_shot":
                rows += zero_shot_scores(
                    folder / "images", folder / "texts", part.truth(), settings, folder / "scores", model
                )
            else:
                split = part.splits[0]
                rows += retrieval_scores(
                    folder / "images", folder / "texts", part.name, split, settings, folder / "scores", model
                )
    with published_file(out_path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows
