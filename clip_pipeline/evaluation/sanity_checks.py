"""Sanity checks that every score passes: faults of the scoring itself, which no score would show, are found by cases with a known end.

The evaluation of a reference project took batches `i:i+512` for i = 0, 1, 2 … instead of i · 512: it gave 9.8 % to any model, a
perfect one too, and nobody noticed. Here a perfect classifier goes through the same code as the model does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.embedding.dataset import IMAGES, TEXTS
from clip_pipeline.embedding.store import read_embeddings, write_embeddings
from clip_pipeline.embedding.texts import caption_table, prompt_table
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.retrieval import retrieval_scores
from clip_pipeline.evaluation.statistics.bootstrap import interval, resampled_sums
from clip_pipeline.evaluation.zero_shot import LabelTruth, class_vectors, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline.storage.scratch import scratch_folder

PHOTOS_TRIED = 5003
"""Photos that stand in for a dataset; more than a batch of anything, and no multiple of one."""
SPREAD = 3.3
"""Standard deviations that shuffled labels may lie from chance: one in a thousand lies farther."""
QUICK = 100
SIMILARITY_ERROR = 1e-3


@dataclass(frozen=True)
class SanityCheckOutcome:
    """Whether the sanity check was passed, what was found, in a sentence, and the numbers behind it."""

    passed: bool
    found: str
    numbers: dict[str, float] = field(default_factory=dict)


def perfect_classifier_scores_one(truth: LabelTruth, settings: EvaluationSettings) -> SanityCheckOutcome:
    """A model that puts every photo exactly on its class, through the whole path of the scores: 1.0 in every metric."""
    tried = _some(truth)
    classes = np.eye(len(tried.class_names))
    with scratch_folder("sanity_check") as folder:
        # stored backwards, so that a join by position fails
        write_embeddings(folder, IMAGES, list(tried.ids)[::-1], classes[np.asarray(tried.labels)[::-1]])
        _write_texts(folder, prompt_table(tried.class_names, ["{c}"]), classes)
        plain = replace(settings, bootstrap_samples=QUICK, shuffle_labels=False)
        rows = zero_shot_scores(folder, folder, tried, plain, folder / "scores", Scored(logit_scale=100.0))
    values = {f"{row['split']} {row['metric']}": row["value"] for row in rows}
    wrong = {name: v for name, v in values.items() if v != (0.0 if name.endswith(" ece") else 1.0)}
    found = f"a perfect classifier of {len(tried.ids):,} photos scores {min(v for n, v in values.items() if not n.endswith(' ece')):.4f} or more, 1 is right"  # fmt: skip
    if wrong:
        found += "; wrong: " + ", ".join(f"{name} {value:.4f}" for name, value in wrong.items())
    return SanityCheckOutcome(not wrong, found, values)


def perfect_search_scores_one(
    captions_of: Sequence[tuple[str, int]], settings: EvaluationSettings
) -> SanityCheckOutcome:
    """A model that puts every caption exactly on its photo: every recall is 1.0. captions_of: photo ids, number of captions."""
    tried = [(photo, max(count, 1)) for photo, count in _evenly(captions_of)]
    vectors_ND = np.random.default_rng(0).normal(size=(len(tried), 64))
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    with scratch_folder("sanity_check") as folder:
        write_embeddings(folder, IMAGES, [photo for photo, _ in tried][::-1], vectors_ND[::-1])
        table = caption_table((photo, [f"{k}" for k in range(count)]) for photo, count in tried)
        _write_texts(folder, table, np.repeat(vectors_ND, [count for _, count in tried], axis=0))
        plain = replace(settings, bootstrap_samples=QUICK, shuffle_labels=False)
        rows = retrieval_scores(folder, folder, "sanity check", "test", plain, folder / "scores")
    values = {row["metric"]: row["value"] for row in rows}
    found = (
        f"a perfect search among {len(tried):,} photos has recalls of {min(values.values()):.4f} or more, 1 is right"
    )
    return SanityCheckOutcome(set(values.values()) == {1.0}, found, values)


def shuffled_labels_score_chance(
    images_folder: Path, texts_folder: Path, truth: LabelTruth, settings: EvaluationSettings
) -> SanityCheckOutcome:
    """The model's own vectors with labels in a random order: mean per-class recall, whose expectation is then exactly one in the
    number of classes, lies near that."""
    shuffled = replace(settings, shuffle_labels=True, bootstrap_samples=max(QUICK, settings.bootstrap_samples))
    with scratch_folder("sanity_check") as scratch:
        rows = zero_shot_scores(images_folder, texts_folder, truth, shuffled, scratch)
    rows = [row for row in rows if row["metric"] == "mean_per_class_recall"]
    far = []
    for row in rows:
        deviation = max((row["high"] - row["low"]) / 3.92, 1 / row["n"])
        if abs(row["value"] - row["chance"]) > SPREAD * deviation:
            far.append(row)
    worst = max(rows, key=lambda row: abs(row["value"] - row["chance"]))
    found = (
        f"with shuffled labels {worst['dataset']} {worst['split']} scores {worst['value']:.4f} "
        f"[{worst['low']:.4f}, {worst['high']:.4f}]; chance is {worst['chance']:.4f}"
    )
    return SanityCheckOutcome(not far, found, {"value": worst["value"], "chance": worst["chance"]})


def predictions_belong_to_their_ids(
    predictions: pa.Table, images_folder: Path, texts_folder: Path, truth: LabelTruth, shuffled: bool = False
) -> SanityCheckOutcome:
    """Every id has one prediction, the label that the dataset gives it, and a cosine that its own vector has with the class.

    The cosines are computed anew, photo by photo, by id: predictions that slipped against their photos do not fit them.
    """
    try:
        keys, stored_ND = read_embeddings(images_folder, IMAGES)
        prompts, prompts_PD = read_embeddings(texts_folder, TEXTS)
    except ClipPipelineError as error:
        return SanityCheckOutcome(False, str(error))
    row_of = {one: row for row, one in enumerate(keys["id"].to_pylist())}
    label_of = dict(zip(truth.ids, truth.labels, strict=True))
    first_set = predictions["templates"][0].as_py()
    predictions = predictions.filter(pc.equal(predictions["templates"], first_set))
    if "template_set" in prompts.column_names:
        rows = np.flatnonzero(np.asarray(prompts["template_set"].to_pylist()) == first_set)
        prompts, prompts_PD = prompts.take(pa.array(rows)), prompts_PD[rows]
    classes_CD = class_vectors(np.asarray(prompts_PD), prompts["class_index"].to_numpy(), len(truth.class_names))
    ids, labels = predictions["id"].to_pylist(), predictions["label"].to_pylist()
    strangers = [one for one in ids if one not in row_of or one not in label_of]
    missing = len(row_of) - len(set(ids))
    mislabelled = [] if shuffled or strangers else [one for one, label in zip(ids, labels, strict=True) if label_of[one] != label]  # fmt: skip
    slipped = []
    for row in _evenly(list(range(len(ids)))) if not strangers else []:
        vector_D = np.asarray(stored_ND[row_of[ids[row]]], np.float64)
        own = float(vector_D @ classes_CD[predictions["predicted"][row].as_py()])
        if abs(own - predictions["best_similarities"][row][0].as_py()) > SIMILARITY_ERROR:
            slipped.append(ids[row])
    faults = {
        "ids that are not in the dataset": len(strangers),
        "ids without a prediction": max(missing, 0),
        "ids that occur twice": len(ids) - len(set(ids)),
        "labels that are not the dataset's": len(mislabelled),
        "cosines that are not those of the photo": len(slipped),
    }
    faults_found = [f"{count:,} {name}" for name, count in faults.items() if count]
    found = f"{len(ids):,} predictions: " + (
        ", ".join(faults_found) or "each has the label and the cosine of its own photo"
    )
    return SanityCheckOutcome(not faults_found, found, {name: float(count) for name, count in faults.items()})


def probe_is_not_below_zero_shot(
    probe: dict[str, bool], zero_shot: dict[str, bool], samples: int, seed: int
) -> SanityCheckOutcome:
    """Trained on labels, a probe should not be worse than the same vectors without training.

    probe, zero_shot: photo id -> whether it was right, compared on the photos that both have, with a paired interval.
    """
    shared = sorted(probe.keys() & zero_shot.keys())
    if not shared:
        return SanityCheckOutcome(True, "the probe and zero-shot were tested on different photos")
    gain_N = np.array([float(probe[one]) - float(zero_shot[one]) for one in shared])
    low, high = interval(resampled_sums(gain_N[:, None], samples, seed)[:, 0] / len(shared))
    found = (
        f"on the {len(shared):,} photos that both were tested on the probe is {100 * gain_N.mean():+.1f} points from zero-shot "
        f"[{100 * low:+.1f}, {100 * high:+.1f}]"
    )
    return SanityCheckOutcome(high >= 0, found, {"gain": float(gain_N.mean()), "high": high})


def _some(truth: LabelTruth) -> LabelTruth:
    rows = _evenly(list(range(len(truth.ids))))
    ids, labels, splits = ([values[row] for row in rows] for values in (truth.ids, truth.labels, truth.splits))
    return LabelTruth(truth.dataset, ids, labels, splits, truth.class_names)


def _evenly(values: Sequence) -> list:
    """At most PHOTOS_TRIED of the values, spread over all of them."""
    if len(values) <= PHOTOS_TRIED:
        return list(values)
    return [values[i * len(values) // PHOTOS_TRIED] for i in range(PHOTOS_TRIED)]


def _write_texts(folder: Path, table: pa.Table, vectors_ND: np.ndarray) -> None:
    columns = {name: table[name] for name in table.column_names if name != "id"}
    write_embeddings(folder, TEXTS, table["id"].to_pylist(), vectors_ND, columns)
