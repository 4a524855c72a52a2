"""Zero-shot classification: a photo's class is the one whose prompts lie nearest to it.

Ties go to the class with the lower index (a stable order that does not know the truth), so a model that gives every
photo the same vector scores chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.embedding.dataset import IMAGES, TEXTS
from clip_pipeline.embedding.store import about_embeddings, aligned_rows, check_comparable, read_embeddings
from clip_pipeline.errors import DatasetError, ShapeError
from clip_pipeline.evaluation.provenance import Scored, with_vectors
from clip_pipeline.evaluation.ranking import KEPT_CLASSES, Ranked, best_class, rank_classes
from clip_pipeline.evaluation.scores import PREDICTIONS_FILE, score_row, write_scores
from clip_pipeline.evaluation.statistics.bootstrap import (
    interval,
    mean_interval,
    resampled_group_sums,
    widened_where_rare,
)
from clip_pipeline.evaluation.statistics.calibration import expected_calibration_error
from clip_pipeline.evaluation.templates import OWN
from clip_pipeline.settings import EvaluationSettings


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


def zero_shot_scores(
    images_folder: Path,
    texts_folder: Path,
    truth: LabelTruth,
    settings: EvaluationSettings,
    folder: Path,
    scored: Scored | None = None,
    left_out: LeftOut | None = None,
) -> list[dict[str, Any]]:
    """Scores every split with every set of prompts; writes the score files and predictions.parquet.

    The candidates of a split are the classes that occur in it. Where the dataset has more, `top1_all_classes` is the
    accuracy with all of them as candidates. Where the model's logit scale is known, `ece` is the calibration's error.
    Photos that could not be embedded have no row in the images and are left out, and counted in each row's provenance; a split with
    a single class is counted in `left_out`, and a warning where that is None. Raises ShapeError when ids do not agree, DatasetError where no split has two.
    """
    image_keys, stored_ND = read_embeddings(images_folder, IMAGES)
    scored = with_vectors(scored, about_embeddings(image_keys))
    prompts, prompts_PD = read_embeddings(texts_folder, TEXTS)
    check_comparable(image_keys, stored_ND, prompts, prompts_PD)
    embedded_ids = image_keys["id"].to_pylist()
    truth_row = aligned_rows(f"{truth.dataset}: labels of the photos", embedded_ids, truth.ids)
    labels_N = np.asarray(truth.labels)[truth_row]
    splits_N = np.asarray(truth.splits)[truth_row]
    if settings.shuffle_labels:
        labels_N = _shuffled_within(labels_N, splits_N, settings.seed)
    of_splits = _rows_of_splits(truth, labels_N, splits_N, left_out)
    rows: list[dict[str, Any]] = []
    tables: list[pa.Table] = []
    templates: dict[str, list[str]] = {}
    for name, prompt_rows in _rows_by_set(prompts).items():
        of_set = prompts.take(pa.array(prompt_rows))
        _check_prompts(of_set, truth)
        templates[name] = _templates_of(of_set)
        class_index_P = of_set["class_index"].to_numpy()
        classes_CD = class_vectors(np.asarray(prompts_PD[prompt_rows]), class_index_P, len(truth.class_names))
        for split, chosen in of_splits.items():
            without = truth.splits.count(split) - len(chosen)
            ids = [embedded_ids[row] for row in chosen]
            part = _Part(truth, split, name, ids, stored_ND[chosen], labels_N[chosen], without)
            split_rows, table = _score_part(part, classes_CD, scored.logit_scale, settings)
            rows += split_rows
            tables.append(table)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(tables), folder / PREDICTIONS_FILE, compression="zstd")
    return write_scores(rows, folder, scored, settings, templates)


def one_class(split: str, name: str) -> str:
    """Why the photos of a split are not scored."""
    return f"photos of the split {split}, which are of one class only ({name}): there is nothing to choose between"


def _rows_of_splits(
    truth: LabelTruth, labels_N: np.ndarray, splits_N: np.ndarray, left_out: LeftOut | None
) -> dict[str, np.ndarray]:
    """The rows of each split that has two classes. Raises DatasetError where none has."""
    found, single = {}, {}
    for split in sorted(set(splits_N.tolist())):
        chosen = np.flatnonzero(splits_N == split)
        classes = np.unique(labels_N[chosen])
        if len(classes) > 1:
            found[split] = chosen
        else:
            single[split] = truth.class_names[classes[0]]
    if not found:
        split, only = next(iter(single.items()))
        others = f"; so have the other {len(single) - 1} splits" if len(single) > 1 else ""
        raise DatasetError(
            f"The split {split} of {truth.dataset} has photos of one class only ({only}). Zero-shot needs at least two classes to "
            f"choose between{others}."
        )
    lost = LeftOut()
    for split, only in single.items():
        lost.add(one_class(split, only), int((splits_N == split).sum()), truth.ids[list(truth.splits).index(split)])
    lost.hand_on(left_out, truth.dataset)
    return found


def _rows_by_set(prompts: pa.Table) -> dict[str, np.ndarray]:
    """Name of a set of templates -> its rows; a table without sets is one set."""
    if "template_set" not in prompts.column_names:
        return {OWN: np.arange(len(prompts))}
    names = np.asarray(prompts["template_set"].to_pylist())
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}


def _templates_of(prompts: pa.Table) -> list[str]:
    """The templates of one set in their order, empty where the table does not tell them."""
    if "template" not in prompts.column_names:
        return []
    first = [row for row in prompts.select(["class_index", "template"]).to_pylist() if row["class_index"] == 0]
    return [row["template"] for row in first]


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


@dataclass(frozen=True)
class _Part:
    """The photos of one split, for one set of prompts: ids, vectors (N, D) and labels, row by row. left_out: photos without one."""

    truth: LabelTruth
    split: str
    templates: str
    ids: list[str]
    images_ND: np.ndarray
    labels_N: np.ndarray
    left_out: int = 0


def _score_part(
    part: _Part, classes_CD: np.ndarray, logit_scale: float | None, settings: EvaluationSettings
) -> tuple[list[dict[str, Any]], pa.Table]:
    candidates = np.unique(part.labels_N)
    target_N = np.searchsorted(candidates, part.labels_N)
    ranked = rank_classes(part.images_ND, classes_CD[candidates], target_N, logit_scale)
    samples, seed = settings.bootstrap_samples, settings.seed
    hit_N, count = ranked.rank_N < 1, len(candidates)

    def row(metric: str, value: float, limits: tuple[float, float], chance: float | None) -> dict[str, Any]:
        about = ("zero_shot", part.truth.dataset, part.split, metric)
        return score_row(*about, value, limits, len(part.ids), chance, part.templates, left_out=part.left_out)

    def share(metric: str, hit_N: np.ndarray, chance: float) -> dict[str, Any]:
        return row(metric, float(hit_N.mean()), mean_interval(hit_N, samples, seed), chance)

    rows = [share("top1", hit_N, 1 / count)]
    if count > KEPT_CLASSES:
        rows.append(share("top5", ranked.rank_N < KEPT_CLASSES, KEPT_CLASSES / count))
    rows.append(row("mean_per_class_recall", *mean_per_class_recall(target_N, hit_N, count, samples, seed), 1 / count))
    among_all_N = None
    if count < len(classes_CD):
        among_all_N = best_class(part.images_ND, classes_CD) == part.labels_N
        rows.append(share("top1_all_classes", among_all_N, 1 / len(classes_CD)))
    if logit_scale is not None:
        error, limits = expected_calibration_error(ranked.confidence_N, hit_N, samples, seed)
        rows.append(row("ece", error, limits, None))
    return rows, _predictions(part, candidates, ranked, hit_N if among_all_N is None else among_all_N)


def mean_per_class_recall(
    target_N: np.ndarray, correct_N: np.ndarray, class_count: int, samples: int, seed: int
) -> tuple[float, tuple[float, float]]:
    """Accuracy of each class, averaged over the classes with equal weight, and its interval.

    target_N: class indices below class_count, each of which occurs. A resample without a class averages over the rest.
    """
    correct_N = np.asarray(correct_N, np.float64)
    photos_C = np.bincount(target_N, minlength=class_count)
    value = float((np.bincount(target_N, weights=correct_N, minlength=class_count) / photos_C).mean())
    hits_SC = resampled_group_sums(correct_N, target_N, class_count, samples, seed)
    totals_SC = resampled_group_sums(np.ones_like(correct_N), target_N, class_count, samples, seed)
    recall_SC = np.divide(hits_SC, totals_SC, out=np.zeros_like(hits_SC), where=totals_SC > 0)
    limits = interval(recall_SC.sum(axis=1) / (totals_SC > 0).sum(axis=1))
    return value, widened_where_rare(limits, float(correct_N.sum()), len(target_N), len(target_N))


def _predictions(part: _Part, candidates: np.ndarray, ranked: Ranked, among_all_N: np.ndarray) -> pa.Table:
    """One row a photo: its label, the best classes with their cosine, the rank of the right one, from 0, and how sure the
    model is (null where its logit scale is not known): `confidence` in what it says, `label_probability` in what is right."""
    names = np.asarray(part.truth.class_names, dtype=object)
    best_labels_NK = candidates[ranked.best_NK]
    count = len(part.ids)
    return pa.table(
        {
            "id": pa.array(part.ids, pa.string()),
            "split": pa.array([part.split] * count, pa.string()),
            "templates": pa.array([part.templates] * count, pa.string()),
            "label": pa.array(part.labels_N, pa.int32()),
            "label_name": pa.array(names[part.labels_N].tolist(), pa.string()),
            "predicted": pa.array(best_labels_NK[:, 0], pa.int32()),
            "predicted_name": pa.array(names[best_labels_NK[:, 0]].tolist(), pa.string()),
            "correct": pa.array(ranked.rank_N == 0),
            "correct_among_all": pa.array(among_all_N),
            "place": pa.array(ranked.rank_N, pa.int32()),
            "confidence": pa.array(ranked.confidence_N, pa.float64(), from_pandas=True),
            "label_probability": pa.array(ranked.target_probability_N, pa.float64(), from_pandas=True),
            "best_names": pa.array(names[best_labels_NK].tolist(), pa.list_(pa.string())),
            "best_similarities": pa.array(ranked.best_similarity_NK.tolist(), pa.list_(pa.float32())),
        }
    )
