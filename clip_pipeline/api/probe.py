"""Small classifiers on a model's embeddings of a labelled dataset: photos into embeddings, probes, predictions, accuracies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import embed_dataset_images, embed_dataset_texts
from clip_pipeline.embedding.photo_stream import Content
from clip_pipeline.embedding.store import aligned_rows
from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline.evaluation.datasets.choice import parse_choice, path_of
from clip_pipeline.evaluation.datasets.entry import find_entry
from clip_pipeline.evaluation.datasets.scored_splits import scored_splits
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint
from clip_pipeline.evaluation.probes.scoring import probe_scores
from clip_pipeline.evaluation.prompts import texts_to_embed
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.runtime_choice import runtime_for_dataset
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE
from clip_pipeline.evaluation.zero_shot import zero_shot_scores
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.models.folder import check_model
from clip_pipeline.models.identity import model_facts
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.settings.made import made_by
from clip_pipeline.sources.photos.formats.idx import idx_files, read_idx
from clip_pipeline.storage.published import check_output_folder, published_folder

ARRAYS, EMBEDDINGS, PROBES, ZERO_SHOT = "arrays", "embeddings", "probes", "zero_shot"
IDX_NAMES = {"train": "train", "test": "t10k"}
"""What the splits are called in the names of MNIST's files."""


@dataclass(frozen=True)
class Probed:
    """rows: scores. seconds: what each part took. photos_per_second: of the embedding."""

    rows: list[dict[str, Any]]
    seconds: dict[str, float]
    photos_per_second: float


def probe(
    model: str | Path,
    dataset: str,
    output: str | Path,
    *,
    recipe: str | Recipe = "",
    settings: Settings = (),
    device: str | None = None,
    replace: bool = False,
    progress: bool = False,
) -> Probed:
    """Embeds a labelled dataset and trains small classifiers on the embeddings; fills the folder `output` with

    arrays/        train_images.npy (uint8, N x 28 x 28), train_labels.npy, t10k_…; of datasets of idx files only
    embeddings/    images.npy, images.parquet, and those of the classes' prompts
    probes/        scores, predictions.parquet, the linear head, and linear_probe_test.npy, mlp_probe_test.npy: the
                   predicted classes (int32, N) in the dataset's order
    zero_shot/     what the prompts alone score on the same photos

    model: a folder, or a name as `load` takes it. dataset: of `open_dataset`. recipe, settings: of which `probe`, `evaluation`,
    `embedding` and `compute` count. device: of compute.device. replace: also where `output` holds another result. progress: show bars on a terminal. A killed run goes on where it was:
    embeddings that are there are not computed again. The linear probe is that of Radford et al. 2021. Raises DatasetError for a
    dataset without labels, a single class, or a class that is never trained on; ModelError, SettingsError.
    """
    chosen = recipe_of(recipe, settings, device)
    made = made_by("probe", {"model": model, "dataset": dataset}, chosen, ("probe", "evaluation", "embedding"))
    check_output_folder(output, made, replace)
    check_model(model)
    opened = scored_splits(open_dataset(dataset))
    truth = opened.truth()
    texts = texts_to_embed(opened, chosen.evaluation.templates)
    runtime = runtime_for_dataset(model, opened, chosen.embedding, chosen.compute)
    with shown_progress(progress), published_folder(output, made, replace) as (folder, work):
        watch = _Watch()
        images = _images(dataset, opened, folder / ARRAYS)
        fingerprint = dataset_fingerprint(opened)
        watch.note("reading photos")
        weights, logit_scale = model_facts(str(model))
        place = folder / EMBEDDINGS
        facts = embed_dataset_images(
            model,
            images,
            len(opened.ids),
            place,
            chosen.embedding,
            chosen.compute,
            work,
            f"{fingerprint} {opened.name}",
            runtime=runtime,
        )
        embed_dataset_texts(model, texts, place, chosen.embedding, chosen.compute)
        watch.note("embedding")
        scored = Scored(Path(model).name, weights, fingerprint, logit_scale)
        rows = zero_shot_scores(place, place, truth, chosen.evaluation, folder / ZERO_SHOT, scored)
        rows += probe_scores(place, truth, chosen.evaluation, chosen.probe, folder / PROBES, scored)
        _write_prediction_arrays(folder / PROBES, opened)
        watch.note("scoring")
    return Probed(rows, watch.seconds, facts["photos_per_second"])


class _Watch:
    """Seconds of each part, in their order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def note(self, part: str) -> None:
        now = time.monotonic()
        self.seconds[part], self._began = now - self._began, now


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
    for split, (images, labels_file) in files.items():
        np.save(arrays / f"{IDX_NAMES[split]}_images.npy", read_idx(images))
        np.save(arrays / f"{IDX_NAMES[split]}_labels.npy", read_idx(labels_file))
        labels.append(read_idx(labels_file))
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
