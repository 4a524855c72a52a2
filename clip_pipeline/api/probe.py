"""`clip-pipeline probe`: photos of a labelled dataset into embeddings, probes, predictions and accuracies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import MakeRuntime, embed_dataset_images, embed_dataset_texts
from clip_pipeline.embedding.photo_stream import Content
from clip_pipeline.embedding.store import aligned_rows
from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline.evaluation.datasets.choice import parse_choice, path_of
from clip_pipeline.evaluation.datasets.entry import find_entry
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint, model_facts
from clip_pipeline.evaluation.probes.scoring import probe_scores
from clip_pipeline.evaluation.prompts import texts_to_embed
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE
from clip_pipeline.evaluation.zero_shot import zero_shot_scores
from clip_pipeline.settings import Recipe
from clip_pipeline.sources.photos.formats.idx import idx_files, read_idx

ARRAYS, EMBEDDINGS, PROBES, ZERO_SHOT = "arrays", "embeddings", "probes", "zero_shot"
IDX_NAMES = {"train": "train", "test": "t10k"}
"""What the splits are called in the names of MNIST's files."""


@dataclass(frozen=True)
class Probed:
    """rows: scores. seconds: what each part took. photos_per_second: of the embedding."""

    rows: list[dict[str, Any]]
    seconds: dict[str, float]
    photos_per_second: float


def probe_dataset(
    model: str, dataset: str, recipe: Recipe, folder: Path, work: Path, runtime: MakeRuntime | None = None
) -> Probed:
    """Fills `folder` with

    arrays/        train_images.npy (uint8, N x 28 x 28), train_labels.npy, t10k_…; of datasets of idx files only
    embeddings/    images.npy, images.parquet, and those of the classes' prompts
    probes/        scores, predictions.parquet, the linear head, and linear_probe_test.npy, mlp_probe_test.npy: the
                   predicted classes in the dataset's order
    zero_shot/     what the prompts alone score on the same photos

    model: of `open_model`. dataset: of `open_dataset`. work: outlives a kill; embeddings that are there are not computed again.
    runtime: what embeds the photos; None is plain fp32.
    Raises DatasetError for a dataset without labels, a single class, or a class that is never trained on.
    """
    opened = open_dataset(dataset)
    truth = opened.truth()
    texts = texts_to_embed(opened, recipe.evaluation.templates)
    seconds: dict[str, float] = {}
    started = time.monotonic()
    images = _images(dataset, opened, folder / ARRAYS)
    fingerprint = dataset_fingerprint(opened)
    seconds["reading photos"] = time.monotonic() - started
    weights, logit_scale = model_facts(str(model))
    started = time.monotonic()
    place = folder / EMBEDDINGS
    facts = embed_dataset_images(
        model,
        images,
        len(opened.ids),
        place,
        recipe.embedding,
        recipe.compute,
        work,
        f"{fingerprint} {opened.name}",
        runtime=runtime,
    )
    embed_dataset_texts(model, texts, place, recipe.embedding, recipe.compute)
    seconds["embedding"] = time.monotonic() - started
    started = time.monotonic()
    scored = Scored(Path(model).name, weights, fingerprint, logit_scale)
    rows = zero_shot_scores(place, place, truth, recipe.evaluation, folder / ZERO_SHOT, scored)
    rows += probe_scores(place, truth, recipe.evaluation, recipe.probe, folder / PROBES, scored)
    _write_prediction_arrays(folder / PROBES, opened)
    seconds["scoring"] = time.monotonic() - started
    return Probed(rows, seconds, facts["photos_per_second"])


def _images(dataset: str, opened: Dataset, arrays: Path) -> Iterator[tuple[str, Content]]:
    """(id, photo) in the dataset's order; idx files become .npy first, and the photos are read from those."""
    choice = parse_choice(dataset)
    path = path_of(choice)
    if choice.entry and path is not None and find_entry(choice.entry).reader == "idx":
        files = idx_files(path)
        if files:
            return zip(opened.ids, _rows_of_arrays(files, opened, arrays), strict=True)
    return ((photo_id, _later(opened, row)) for row, photo_id in enumerate(opened.ids))


def _later(opened: Dataset, row: int) -> Content:
    return lambda: opened.read(row)


def _rows_of_arrays(files: dict[str, tuple[Path, Path]], opened: Dataset, arrays: Path) -> Iterator[np.ndarray]:
    """Writes the .npy files, checks that they hold the dataset's labels in its order, and gives the images one by one."""
    arrays.mkdir(parents=True, exist_ok=True)
    labels = []
    for split, (images, told) in files.items():
        np.save(arrays / f"{IDX_NAMES[split]}_images.npy", read_idx(images))
        np.save(arrays / f"{IDX_NAMES[split]}_labels.npy", read_idx(told))
        labels.append(read_idx(told))
    if opened.labels is None or np.concatenate(labels).tolist() != list(opened.labels):
        raise ShapeError(f"The labels of {arrays} are not those of {opened.name}. Tell us: this is a fault of ours.")
    return (image for split in files for image in np.load(arrays / f"{IDX_NAMES[split]}_images.npy", mmap_mode="r"))


def _write_prediction_arrays(folder: Path, opened: Dataset) -> None:
    """PROBE_SPLIT.npy (int32, one a tested photo, in the dataset's order) for the linear and the MLP probe."""
    table = pq.read_table(folder / PREDICTIONS_FILE)
    table = table.filter(pc.is_null(table["shots"]))
    for group in table.group_by(["probe", "split"]).aggregate([]).to_pylist():
        chosen = table.filter(
            pc.and_(pc.equal(table["probe"], group["probe"]), pc.equal(table["split"], group["split"]))
        )
        place_N = aligned_rows(f"Predictions of {opened.name}", chosen["id"].to_pylist(), opened.ids)
        predicted_N = chosen["predicted"].to_numpy().astype(np.int32)
        np.save(folder / f"{group['probe']}_{group['split']}.npy", predicted_N[np.argsort(place_N)])
