"""The sanity checks, and the faults of a reference project put in by hand: each fault must be caught."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation import retrieval, zero_shot
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.ranking import rank_classes
from clip_pipeline.evaluation.sanity_checks import (
    perfect_classifier_scores_one,
    perfect_search_scores_one,
    predictions_belong_to_their_ids,
    probe_is_not_below_zero_shot,
    shuffled_labels_score_chance,
)
from clip_pipeline.evaluation.zero_shot import LabelTruth, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import score, write_images, write_prompts

SETTINGS = EvaluationSettings(bootstrap_samples=100)
PHOTOS, CLASSES, BATCH = 2600, 10, 512
NAMES = [f"thing {c}" for c in range(CLASSES)]
TRUTH = LabelTruth(
    "things",
    [f"p{row:05d}" for row in range(PHOTOS)],
    (np.random.default_rng(0).integers(0, CLASSES, PHOTOS)).tolist(),
    ["test"] * PHOTOS,
    NAMES,
)


def batches_that_start_at_their_number(images, classes, target, logit_scale=None):
    """The reference's evaluation: batch i is the slice i:i+512, where i·512:(i+1)·512 was meant."""
    batches = -(-len(images) // BATCH)
    taken = np.concatenate([images[i : i + BATCH] for i in range(batches)])[: len(images)]
    return rank_classes(taken, classes, target, logit_scale)


def batches_with_a_traced_index(images, classes, target, logit_scale=None):
    """Its other fault: the loop's index was traced once, so that every batch is the first."""
    taken = np.concatenate([images[:BATCH]] * -(-len(images) // BATCH))[: len(images)]
    return rank_classes(taken, classes, target, logit_scale)


FAULTS = [batches_that_start_at_their_number, batches_with_a_traced_index]


@pytest.fixture
def scored(tmp_path):
    """The folders of a decent model's vectors, and a function that scores them."""
    rng = np.random.default_rng(1)
    vectors = np.eye(CLASSES)[TRUTH.labels] + 0.4 * rng.normal(size=(PHOTOS, CLASSES))
    images = write_images(tmp_path / "i", TRUTH.ids, vectors)
    texts = write_prompts(tmp_path / "t", NAMES, np.eye(CLASSES))

    def predictions(truth=TRUTH):
        zero_shot_scores(images, texts, truth, SETTINGS, tmp_path / "s", Scored(logit_scale=10.0))
        return pq.read_table(tmp_path / "s" / "predictions.parquet")

    return images, texts, predictions


def test_a_perfect_classifier_scores_one_in_every_metric():
    outcome = perfect_classifier_scores_one(TRUTH, SETTINGS)
    assert outcome.passed, outcome.found
    assert {name: v for name, v in outcome.numbers.items() if "ece" not in name} == {
        "test top1": 1.0, "test top5": 1.0, "test mean_per_class_recall": 1.0,
    }  # fmt: skip
    assert outcome.numbers["test ece"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_references_faults_are_caught_by_the_perfect_classifier(monkeypatch, fault):
    monkeypatch.setattr(zero_shot, "rank_classes", fault)
    outcome = perfect_classifier_scores_one(TRUTH, SETTINGS)
    assert not outcome.passed
    # what the fault gives: the first batch alone is right, and the rest of the photos meet their label by chance
    assert 0.08 < outcome.numbers["test top1"] < 0.35
    assert "1 is right; wrong: test top1 0." in outcome.found


@pytest.mark.parametrize("fault", FAULTS)
def test_the_references_faults_are_caught_by_the_cosines_of_each_id(monkeypatch, scored, fault):
    images, texts, predictions = scored
    outcome = predictions_belong_to_their_ids(predictions(), images, texts, TRUTH)
    assert outcome.passed, outcome.found
    monkeypatch.setattr(zero_shot, "rank_classes", fault)
    outcome = predictions_belong_to_their_ids(predictions(), images, texts, TRUTH)
    assert not outcome.passed
    assert outcome.numbers["cosines that are not those of the photo"] > PHOTOS / 2


def test_a_join_by_position_is_caught_by_the_perfect_classifier(monkeypatch):
    monkeypatch.setattr(zero_shot, "aligned_rows", lambda what, wanted, stored: np.arange(len(wanted)))
    assert not perfect_classifier_scores_one(TRUTH, SETTINGS).passed


def test_permuted_ids_of_predictions_are_caught(scored):
    images, texts, predictions = scored
    table = predictions()
    permuted = table.set_column(0, "id", pa.array(np.roll(table["id"].to_pylist(), 1)))
    outcome = predictions_belong_to_their_ids(permuted, images, texts, TRUTH)
    assert not outcome.passed
    assert outcome.numbers["labels that are not the dataset's"] > PHOTOS / 2
    assert "cosines that are not those of the photo" in outcome.found


def test_permuted_ids_of_the_vectors_are_caught_before_anything_is_scored(scored):
    images, texts, predictions = scored
    table = pq.read_table(images / "images.parquet")
    ids = table["id"].to_pylist()
    pq.write_table(table.set_column(0, "id", pa.array([*ids[1:], ids[0]])), images / "images.parquet")
    with pytest.raises(ShapeError):
        predictions()


def test_missing_repeated_and_foreign_predictions_are_caught(scored):
    images, texts, predictions = scored
    table = predictions()
    for wrong, said in (
        (table.slice(1), "1 ids without a prediction"),
        (table.take([0, *range(PHOTOS)]), "1 ids that occur twice"),
        (table.set_column(0, "id", pa.array(["x", *table["id"].to_pylist()[1:]])), "1 ids that are not in the dataset"),
    ):
        outcome = predictions_belong_to_their_ids(wrong, images, texts, TRUTH)
        assert not outcome.passed
        assert said in outcome.found


def test_a_perfect_search_scores_one_with_any_number_of_captions():
    outcome = perfect_search_scores_one([(f"p{row}", 1 + row % 5) for row in range(700)], SETTINGS)
    assert outcome.passed, outcome.found
    assert len(outcome.numbers) == 6


def test_queries_that_slipped_by_one_are_caught_by_the_perfect_search(monkeypatch):
    real = retrieval.text_to_image_ranks
    monkeypatch.setattr(
        retrieval, "text_to_image_ranks", lambda images, texts, own: real(images, np.roll(texts, 1, axis=0), own)
    )
    assert not perfect_search_scores_one([(f"p{row}", 1) for row in range(50)], SETTINGS).passed


def test_shuffled_labels_score_chance_and_labels_that_were_not_shuffled_are_caught(monkeypatch, scored):
    images, texts, _ = scored
    outcome = shuffled_labels_score_chance(images, texts, TRUTH, SETTINGS)
    assert outcome.passed, outcome.found
    assert outcome.numbers["value"] == pytest.approx(0.1, abs=0.03)
    monkeypatch.setattr(zero_shot, "_shuffled_within", lambda labels, splits, seed: labels)  # the truth leaks
    outcome = shuffled_labels_score_chance(images, texts, TRUTH, SETTINGS)
    assert not outcome.passed
    assert "chance is 0.1000" in outcome.found


def test_shuffled_labels_score_chance_with_classes_of_very_different_size(tmp_path):
    labels = [0] * 900 + [1] * 80 + [2] * 20
    ids = [f"p{row}" for row in range(1000)]
    truth = LabelTruth("uneven", ids, labels, ["test"] * 1000, NAMES[:3])
    images = write_images(tmp_path / "i", ids, np.eye(3)[labels])
    texts = write_prompts(tmp_path / "t", NAMES[:3], np.eye(3))
    outcome = shuffled_labels_score_chance(images, texts, truth, SETTINGS)
    assert outcome.passed, outcome.found


def test_a_probe_below_zero_shot_is_caught_and_one_that_is_not_passes():
    rng = np.random.default_rng(0)
    zero_shot_hits = {f"p{row}": bool(hit) for row, hit in enumerate(rng.uniform(size=500) < 0.7)}
    better = {one: hit or bool(rng.uniform() < 0.3) for one, hit in zero_shot_hits.items() if one < "p3"}
    worse = {one: hit and bool(rng.uniform() < 0.8) for one, hit in zero_shot_hits.items()}
    passed = probe_is_not_below_zero_shot(better, zero_shot_hits, 300, 0)
    assert passed.passed
    assert f"on the {len(better):,} photos" in passed.found
    assert not probe_is_not_below_zero_shot(worse, zero_shot_hits, 300, 0).passed
    assert probe_is_not_below_zero_shot({"x": True}, zero_shot_hits, 300, 0).passed


def test_the_sanity_checks_of_a_model_agree_with_its_scores(scored, tmp_path):
    images, texts, _ = scored
    rows = zero_shot_scores(images, texts, TRUTH, SETTINGS, tmp_path / "s")
    assert 0.5 < score(rows, "top1")["value"] < 1
