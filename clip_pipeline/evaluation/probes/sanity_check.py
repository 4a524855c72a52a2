"""A sanity check of the probes' scoring: vectors that hold nothing but the class go through the same code as the model's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clip_pipeline.embedding.dataset import IMAGES
from clip_pipeline.embedding.store import write_embeddings
from clip_pipeline.evaluation.probes.scoring import probe_scores
from clip_pipeline.evaluation.sanity_checks import SanityCheckOutcome
from clip_pipeline.evaluation.zero_shot import LabelTruth
from clip_pipeline.settings import EvaluationSettings, ProbeSettings
from clip_pipeline.storage.scratch import scratch_folder

PHOTOS_TRIED = 5003
"""Photos that stand in for a dataset; more than a batch of anything, and no multiple of one."""

QUICK = ProbeSettings(inverse_regularizations=3, mlp_epochs=0, shots="")


def perfect_probe_rows(truth: LabelTruth, settings: EvaluationSettings) -> list[dict[str, Any]]:
    """The linear probe's rows for the dataset's ids, splits and labels and vectors that are the class: every value is 1.0 where
    predictions, labels and ids belong together all the way. Empty where the dataset's splits cannot be divided.

    The vectors are stored in another order than the labels, so that a join by position is found too.
    """
    rows = _evenly(truth)
    ids = [truth.ids[row] for row in rows]
    labels = np.asarray(truth.labels)[rows]
    classes, index_N = np.unique(labels, return_inverse=True)
    tried = LabelTruth(truth.dataset, ids, labels.tolist(), [truth.splits[row] for row in rows], truth.class_names)
    plain = replace(settings, bootstrap_samples=100, shuffle_labels=False)
    with scratch_folder("sanity_check") as scratch:
        write_embeddings(scratch, IMAGES, ids[::-1], np.eye(len(classes))[index_N[::-1]])
        return probe_scores(scratch, tried, plain, QUICK, scratch / "scores")


def perfect_probe_scores_one(truth: LabelTruth, settings: EvaluationSettings) -> SanityCheckOutcome:
    """`perfect_probe_rows` as a sanity check. A dataset whose splits cannot be divided has no probe, and passes."""
    rows = perfect_probe_rows(truth, settings)
    values = {f"{row['split']} {row['metric']}": row["value"] for row in rows}
    wrong = {name: value for name, value in values.items() if value != 1.0}
    if not rows:
        return SanityCheckOutcome(True, "no split can be divided for a probe")
    found = f"a probe on vectors that are the class scores {min(values.values()):.4f} or more, 1 is right"
    if wrong:
        found += "; wrong: " + ", ".join(f"{name} {value:.4f}" for name, value in wrong.items())
    return SanityCheckOutcome(not wrong, found, values)


def _evenly(truth: LabelTruth) -> list[int]:
    """At most so many rows, the first ones of each split and class in turn."""
    groups: dict[tuple[str, int], list[int]] = {}
    for row, key in enumerate(zip(truth.splits, truth.labels, strict=True)):
        groups.setdefault(key, []).append(row)
    most = max(4, PHOTOS_TRIED // max(len(groups), 1))
    return sorted(row for rows in groups.values() for row in rows[:most])
