"""The sanity check catches what it is made for: faults of others, put in by hand."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.probes import scoring
from clip_pipeline.evaluation.probes.head import LinearHead
from clip_pipeline.evaluation.probes.sanity_check import perfect_probe_rows, perfect_probe_scores_one
from clip_pipeline.evaluation.zero_shot import LabelTruth
from clip_pipeline.settings import EvaluationSettings

SETTINGS = EvaluationSettings()


def truth(photos: int = 3001, official: bool = True) -> LabelTruth:
    """Ten classes, each photo's class drawn at random."""
    labels = np.random.default_rng(0).integers(0, 10, photos)
    splits = ["test" if row % 4 == 0 or not official else "train" for row in range(photos)]
    return LabelTruth("pets", [f"{row}" for row in range(photos)], labels.tolist(), splits, [str(c) for c in range(10)])


def accuracies() -> list[float]:
    """On test and training photos; of the top five of ten, half would be right by chance."""
    return [row["value"] for row in perfect_probe_rows(truth(), SETTINGS) if row["metric"] != "top5"]


@pytest.mark.parametrize("official", [True, False])
def test_a_perfect_probe_scores_exactly_one(official):
    rows = perfect_probe_rows(truth(official=official), SETTINGS)
    assert len(rows) == 4 and {row["value"] for row in rows} == {1.0}


def test_the_sanity_check_passes_what_is_right_and_names_what_is_wrong(monkeypatch):
    assert perfect_probe_scores_one(truth(), SETTINGS).passed
    few = LabelTruth("few", ["a", "b"], [0, 1], ["test", "test"], ["x", "y"])
    assert perfect_probe_scores_one(few, SETTINGS).passed
    inner = LinearHead.predict
    monkeypatch.setattr(LinearHead, "predict", lambda head, features: np.roll(inner(head, features), 1))
    outcome = perfect_probe_scores_one(truth(), SETTINGS)
    assert not outcome.passed and "wrong: test top1 0." in outcome.found


def test_a_large_dataset_is_tried_with_photos_of_every_class_and_split():
    rows = perfect_probe_rows(truth(20_000), SETTINGS)
    assert {row["value"] for row in rows} == {1.0}
    assert sum(row["n"] for row in rows if row["metric"].startswith("top1")) == 5000


def test_the_batches_of_the_reference_are_caught(monkeypatch):
    """Rows i to i + 512 for i = 0, 1, 2, … instead of 512 i."""
    inner = LinearHead.predict

    def in_its_batches(head, features):
        return np.concatenate([inner(head, features[i : i + 512]) for i in range(-(-len(features) // 512))])

    monkeypatch.setattr(LinearHead, "predict", in_its_batches)
    with pytest.raises(ShapeError, match="predictions for .* photos of test, expected one each"):
        perfect_probe_rows(truth(), SETTINGS)
    monkeypatch.setattr(LinearHead, "predict", lambda head, features: in_its_batches(head, features)[: len(features)])
    found = {row["metric"]: row["value"] for row in perfect_probe_rows(truth(6001), SETTINGS)}
    assert found["top1"] < 0.6 and found["top1_on_training"] < 0.3


def test_labels_joined_by_position_are_caught(monkeypatch):
    monkeypatch.setattr(scoring, "aligned_rows", lambda what, wanted, stored: np.arange(len(wanted)))
    assert max(accuracies()) < 0.3


def test_predictions_shifted_by_one_are_caught(monkeypatch):
    inner = LinearHead.predict
    monkeypatch.setattr(LinearHead, "predict", lambda head, features: np.roll(inner(head, features), 1))
    assert max(accuracies()) < 0.3
