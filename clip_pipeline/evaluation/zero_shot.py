"""Zero-shot classification: a photo's class is the one whose prompts lie nearest to it.

Ties go to the class with the lower index (a stable order that does not know the truth), so a model that gives every
photo the same vector scores chance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import IMAGES, TEXTS
from clip_pipeline.embedding.files import aligned_rows, read_embeddings
from clip_pipeline.errors import DatasetError, ShapeError
from clip_pipeline.evaluation.intervals import interval, mean_interval, resampled_sums, widened_where_rare
from clip_pipeline.evaluation.scores import score_row, write_scores
from clip_pipeline.evaluation.similarity import similarities
from clip_pipeline.settings import EvaluationSettings

logger = logging.getLogger(__name__)

PREDICTIONS_FILE = "predictions.parquet"
KEPT_CLASSES = 5
"""Best classes kept for each photo in the predictions."""


@dataclass(frozen=True)
class LabelTruth:
    """What is known of a labelled dataset. ids, labels, splits: one a photo; a label is an index into class_names."""

    dataset: str
    ids: Sequence[str]
    labels: Sequence[int]
    splits: Sequence[str]
    class_names: Sequence[str]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.labels) == len(self.splits):
            raise ShapeError(
                f"{self.dataset}: {len(self.ids)} ids, {len(self.labels)} labels, {len(self.splits)} splits; "
                "expected one of each a photo."
            )
        if len(self.labels) and not 0 <= min(self.labels) <= max(self.labels) < len(self.class_names):
            raise DatasetError(
                f"{self.dataset}: labels run from {min(self.labels)} to {max(self.labels)}, and there are "
                f"{len(self.class_names)} class names. Labels are indices into the names, from 0."
            )


def class_vectors(prompts_PD: np.ndarray, class_index_P: Sequence[int], class_count: int) -> np.ndarray:
    """(class_count, D) unit vectors: normalise each prompt, average a class's, normalise again (Radford et al. 2021).

    Raises ShapeError when a class has no prompt.
    """
    index_P = np.asarray(class_index_P)
    prompts_PD = np.asarray(prompts_PD, np.float64)
    prompts_PD = prompts_PD / np.linalg.norm(prompts_PD, axis=1, keepdims=True)
    prompt_counts_C = np.bincount(index_P, minlength=class_count)
    if len(prompt_counts_C) != class_count or (prompt_counts_C == 0).any():
        raise ShapeError(f"The prompts name {np.count_nonzero(prompt_counts_C)} classes, expected {class_count}.")
    means_CD = np.zeros((class_count, prompts_PD.shape[1]))
    np.add.at(means_CD, index_P, prompts_PD)
    means_CD /= prompt_counts_C[:, None]
    return means_CD / np.linalg.norm(means_CD, axis=1, keepdims=True)


def rank_classes(images_ND: np.ndarray, classes_CD: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(order_NC, similarity_NC): classes from best to worst for each photo, and the cosine of each photo and class."""
    similarity_NC = similarities(images_ND, classes_CD)
    return np.argsort(-similarity_NC, axis=1, kind="stable"), similarity_NC


def zero_shot_scores(
    images_folder: Path,
    texts_folder: Path,
    truth: LabelTruth,
    settings: EvaluationSettings,
    folder: Path,
    model: str = "",
) -> list[dict[str, Any]]:
    """Scores every split of the dataset; writes scores.json, clip_benchmark.json and predictions.parquet.

    The candidates of a split are the classes that occur in it. Where the dataset has more, `top1_among_all` is the
    accuracy with all of them as candidates. Photos that could not be embedded have no row in the images and are left
    out. Raises ShapeError when ids do not agree, DatasetError for a split with a single class.
    """
    image_keys, stored_ND = read_embeddings(images_folder, IMAGES)
    prompts, prompts_PD = read_embeddings(texts_folder, TEXTS)
    _check_prompts(prompts, truth)
    embedded_ids = image_keys["id"].to_pylist()
    if len(embedded_ids) < len(truth.ids):
        logger.info("%s: %s of %s photos have an embedding", truth.dataset, len(embedded_ids), len(truth.ids))
    truth_row = aligned_rows(f"{truth.dataset}: labels of the photos", embedded_ids, truth.ids)
    labels_N = np.asarray(truth.labels)[truth_row]
    splits_N = np.asarray(truth.splits)[truth_row]
    if settings.shuffle_labels:
        labels_N = _shuffled_within(labels_N, splits_N, settings.seed)
    classes_CD = class_vectors(prompts_PD, prompts["class_index"].to_numpy(), len(truth.class_names))
    rows: list[dict[str, Any]] = []
    tables: list[pa.Table] = []
    for split in sorted(set(splits_N.tolist())):
        chosen = np.flatnonzero(splits_N == split)
        ids = [embedded_ids[row] for row in chosen]
        split_rows, table = _score_split(
            truth, split, ids, np.asarray(stored_ND[chosen]), labels_N[chosen], classes_CD, settings
        )
        rows += split_rows
        tables.append(table)
    write_scores(rows, folder, model)
    pq.write_table(pa.concat_tables(tables), folder / PREDICTIONS_FILE, compression="zstd")
    return rows


def _check_prompts(prompts: pa.Table, truth: LabelTruth) -> None:
    named = dict(zip(prompts["class_index"].to_pylist(), prompts["class_name"].to_pylist(), strict=True))
    wanted = dict(enumerate(truth.class_names))
    if named != wanted:
        wrong = next(c for c in sorted(named.keys() | wanted.keys()) if named.get(c) != wanted.get(c))
        raise ShapeError(
            f"{truth.dataset}: the prompts call class {wrong} {named.get(wrong)!r}, the dataset {wanted.get(wrong)!r}. "
            "Embed the texts again."
        )


def _shuffled_within(labels_N: np.ndarray, splits_N: np.ndarray, seed: int) -> np.ndarray:
    """The labels of each split in a random order: how often each occurs stays, what they belong to does not."""
    shuffled_N = labels_N.copy()
    rng = np.random.Generator(np.random.PCG64(seed))
    for split in sorted(set(splits_N.tolist())):
        chosen = np.flatnonzero(splits_N == split)
        shuffled_N[chosen] = labels_N[rng.permutation(chosen)]
    return shuffled_N


def _score_split(
    truth: LabelTruth,
    split: str,
    ids: list[str],
    images_ND: np.ndarray,
    labels_N: np.ndarray,
    classes_CD: np.ndarray,
    settings: EvaluationSettings,
) -> tuple[list[dict[str, Any]], pa.Table]:
    candidates = np.unique(labels_N)
    if len(candidates) < 2:
        raise DatasetError(
            f"The split {split} of {truth.dataset} has photos of one class only ({truth.class_names[candidates[0]]}). "
            "Zero-shot needs at least two classes to choose between."
        )
    order_NC, similarity_NC = rank_classes(images_ND, classes_CD[candidates])
    target_N = np.searchsorted(candidates, labels_N)
    place_N = np.argmax(order_NC == target_N[:, None], axis=1)  # 0 where the true class came first

    def row(metric: str, value: float, limits: tuple[float, float], chance: float) -> dict[str, Any]:
        return score_row("zero_shot", truth.dataset, split, metric, value, limits, len(ids), chance)

    def share(metric: str, hit_N: np.ndarray, chance: float) -> dict[str, Any]:
        limits = mean_interval(hit_N, settings.bootstrap_samples, settings.seed)
        return row(metric, float(hit_N.mean()), limits, chance)

    count = len(candidates)
    rows = [share("top1", place_N < 1, 1 / count)]
    if count > KEPT_CLASSES:
        rows.append(share("top5", place_N < KEPT_CLASSES, KEPT_CLASSES / count))
    recall, limits = mean_per_class_recall(target_N, place_N < 1, count, settings.bootstrap_samples, settings.seed)
    rows.append(row("mean_per_class_recall", recall, limits, 1 / count))
    if count < len(classes_CD):
        best_N = rank_classes(images_ND, classes_CD)[0][:, 0]
        rows.append(share("top1_among_all", best_N == labels_N, 1 / len(classes_CD)))
    return rows, _predictions(truth, split, ids, labels_N, candidates, order_NC, similarity_NC, place_N)


def mean_per_class_recall(
    target_N: np.ndarray, correct_N: np.ndarray, class_count: int, samples: int, seed: int
) -> tuple[float, tuple[float, float]]:
    """Accuracy of each class, averaged over the classes with equal weight, and its interval.

    target_N: class indices below class_count, each of which occurs. A resample without a class averages over the rest.
    """
    one_hot_NC = np.zeros((len(target_N), class_count))
    one_hot_NC[np.arange(len(target_N)), target_N] = 1
    correct_NC = one_hot_NC * np.asarray(correct_N, np.float64)[:, None]
    value = float((correct_NC.sum(axis=0) / one_hot_NC.sum(axis=0)).mean())
    sums_S2C = resampled_sums(np.concatenate([correct_NC, one_hot_NC], axis=1), samples, seed)
    hits_SC, totals_SC = sums_S2C[:, :class_count], sums_S2C[:, class_count:]
    recall_SC = np.divide(hits_SC, totals_SC, out=np.zeros_like(hits_SC), where=totals_SC > 0)
    limits = interval(recall_SC.sum(axis=1) / (totals_SC > 0).sum(axis=1))
    return value, widened_where_rare(limits, float(correct_NC.sum()), len(target_N), len(target_N))


def _predictions(
    truth: LabelTruth,
    split: str,
    ids: list[str],
    labels_N: np.ndarray,
    candidates: np.ndarray,
    order_NC: np.ndarray,
    similarity_NC: np.ndarray,
    place_N: np.ndarray,
) -> pa.Table:
    """One row a photo: its label, the best classes with their cosine, and the place of the right one, from 0."""
    best_NK = order_NC[:, :KEPT_CLASSES]
    best_similarity_NK = np.take_along_axis(similarity_NC, best_NK, axis=1)
    names = np.asarray(truth.class_names, dtype=object)
    best_labels_NK = candidates[best_NK]
    count = len(ids)
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "split": pa.array([split] * count, pa.string()),
            "label": pa.array(labels_N, pa.int32()),
            "label_name": pa.array(names[labels_N].tolist(), pa.string()),
            "predicted": pa.array(best_labels_NK[:, 0], pa.int32()),
            "predicted_name": pa.array(names[best_labels_NK[:, 0]].tolist(), pa.string()),
            "correct": pa.array(place_N == 0),
            "place": pa.array(place_N, pa.int32()),
            "best_names": pa.array(names[best_labels_NK].tolist(), pa.list_(pa.string())),
            "best_similarities": pa.array(best_similarity_NK.tolist(), pa.list_(pa.float32())),
        }
    )
