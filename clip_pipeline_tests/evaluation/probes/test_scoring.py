"""Scores of probes, from stored embeddings to rows and predictions."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import ShapeError
from clip_pipeline.evaluation.probes.head import LinearHead, read_head
from clip_pipeline.evaluation.probes.scoring import PREDICTIONS, among_best, probe_scores
from clip_pipeline.evaluation.scores import read_scores
from clip_pipeline.evaluation.zero_shot import LabelTruth
from clip_pipeline.settings import EvaluationSettings, ProbeSettings
from clip_pipeline_tests.evaluation.fakes import score, write_images
from clip_pipeline_tests.evaluation.probes.fakes import cone

SETTINGS = EvaluationSettings(bootstrap_samples=100)
PROBE = ProbeSettings(inverse_regularizations=13, mlp_epochs=3, mlp_batch_size=16, shots="1,2", few_shot_seeds=2)
QUICK = ProbeSettings(inverse_regularizations=7, mlp_epochs=0, shots="")


def stored(folder, classes: int = 4, photos: int = 60, noise: float = 0.05, gap: bool = False):
    """(folder of embeddings, truth): two thirds of the photos are for training; with a gap, class 1 has no photo at all."""
    features, labels = cone(classes, photos, noise=noise)
    labels = np.where(labels > 0, labels + 1, labels) if gap else labels
    ids = [f"photo {number}" for number in range(len(labels))]
    order = np.random.default_rng(0).permutation(len(ids))  # embeddings lie in another order than the labels
    write_images(folder, [ids[row] for row in order], features[order])
    splits = ["test" if number % 3 == 0 else "train" for number in range(len(ids))]
    names = [f"class {number}" for number in range(labels.max() + 1)]
    return folder, LabelTruth("pets", ids, labels.tolist(), splits, names)


def test_rows_and_predictions_of_all_probes(tmp_path):
    images, truth = stored(tmp_path / "images", noise=1.0)
    rows = probe_scores(images, truth, SETTINGS, PROBE, tmp_path / "out")
    assert rows == read_scores(tmp_path / "out" / "scores.json")
    metrics = ["top1", "mean_per_class_recall", "top1_on_training"]
    assert [(row["task"], row["metric"]) for row in rows] == [
        *(("linear_probe", metric) for metric in metrics),
        *(("mlp_probe", metric) for metric in metrics),
        *(("few_shot_probe", metric) for metric in ("top1_1_shot", "top1_2_shot")),
    ]
    for row in rows:
        assert row["split"] == "test" and row["n"] == (160 if row["metric"] == "top1_on_training" else 80)
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1 and row["chance"] == 0.25
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert table.schema.equals(PREDICTIONS)
    label_of = dict(zip(truth.ids, truth.labels, strict=True))
    split_of = dict(zip(truth.ids, truth.splits, strict=True))
    hits: dict[tuple, list[bool]] = {}
    for one in table.to_pylist():
        assert one["label"] == label_of[one["id"]] and split_of[one["id"]] == "test"
        assert one["correct"] == (one["label"] == one["predicted"])
        hits.setdefault((one["probe"], one["shots"]), []).append(one["correct"])
    for row in rows:
        if row["metric"].startswith("top1") and row["metric"] != "top1_on_training":
            shots = int(row["metric"].split("_")[1]) if "shot" in row["metric"] else None
            found = hits[row["task"], shots]
            assert len(found) == (160 if shots else 80)
            assert row["value"] == pytest.approx(np.mean(found), abs=1e-6)


def test_the_stored_head_gives_the_stored_predictions(tmp_path):
    images, truth = stored(tmp_path / "images", noise=1.0)
    probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")
    head = read_head(tmp_path / "out" / "linear_head_test.npz")
    vectors = np.load(images / "images.npy").astype(np.float32)
    row_of = {one: row for row, one in enumerate(pq.read_table(images / "images.parquet")["id"].to_pylist())}
    for one in pq.read_table(tmp_path / "out" / "predictions.parquet").to_pylist():
        assert head.predict(vectors[[row_of[one["id"]]]])[0] == one["predicted"]


def test_of_more_than_five_classes_the_best_five_are_scored_too(tmp_path):
    images, truth = stored(tmp_path / "images", classes=8, noise=3.0)
    rows = probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")
    top1, top5 = score(rows, "top1"), score(rows, "top5")
    assert top1["value"] < top5["value"] < 1 and top5["chance"] == 5 / 8


def test_ties_among_the_best_go_to_the_lower_index():
    scores, target = np.array([[3.0, 1.0, 1.0, 0.0]] * 4), np.arange(4)
    assert among_best(scores, target, 2).tolist() == [True, True, False, False]
    assert among_best(scores, target, 3).tolist() == [True, True, True, False]
    random = np.random.default_rng(0).normal(size=(50, 9))
    order = np.argsort(-random, axis=1)
    labels = np.arange(50) % 9
    assert (among_best(random, labels, 5) == [label in row[:5] for label, row in zip(labels, order, strict=True)]).all()


def test_labels_with_a_gap_stay_what_they_are(tmp_path):
    images, truth = stored(tmp_path / "images", gap=True)
    rows = probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")
    assert score(rows, "top1")["value"] == 1.0
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert set(table["predicted"].to_pylist()) == {0, 2, 3, 4}


def test_a_perfect_classifier_scores_exactly_one_and_shuffled_labels_score_chance(tmp_path):
    images, truth = stored(tmp_path / "images", photos=300)
    rows = probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")
    assert score(rows, "top1")["value"] == score(rows, "mean_per_class_recall")["value"] == 1.0
    shuffled = EvaluationSettings(bootstrap_samples=100, shuffle_labels=True)
    rows = probe_scores(images, truth, shuffled, QUICK, tmp_path / "shuffled")
    assert abs(score(rows, "top1")["value"] - 0.25) < 0.08


def test_the_batches_of_the_reference_are_caught(tmp_path, monkeypatch):
    """It took rows i to i + 512 for i = 0, 1, 2, …, so that nearly all photos were judged by others: a perfect classifier
    scored 9.85 % of ten classes. Put in by hand, its predictions are too many; cut to the right number, they score chance."""
    images, truth = stored(tmp_path / "images", photos=300)
    inner = LinearHead.predict

    def in_its_batches(head, features):
        batches = range(-(-len(features) // 64))
        return np.concatenate([inner(head, features[start : start + 64]) for start in batches])

    monkeypatch.setattr(LinearHead, "predict", in_its_batches)
    with pytest.raises(ShapeError, match="linear_probe gave 448 predictions for 400 photos of test"):
        probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")
    monkeypatch.setattr(LinearHead, "predict", lambda head, features: in_its_batches(head, features)[: len(features)])
    rows = probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")
    assert score(rows, "top1")["low"] < 0.35  # the sanity check asks for 1


def test_ids_that_do_not_join_are_told(tmp_path):
    images, truth = stored(tmp_path / "images")
    other = LabelTruth("pets", [f"{one}.jpg" for one in truth.ids], truth.labels, truth.splits, truth.class_names)
    with pytest.raises(ShapeError, match="pets: labels of the photos: 240 of 240 ids are not there"):
        probe_scores(images, other, SETTINGS, QUICK, tmp_path / "out")


def test_embeddings_that_are_not_finite_are_told(tmp_path):
    images, truth = stored(tmp_path / "images")
    vectors = np.load(images / "images.npy")
    vectors[5] = np.nan
    np.save(images / "images.npy", vectors)
    with pytest.raises(ShapeError, match="row 5"):
        probe_scores(images, truth, SETTINGS, QUICK, tmp_path / "out")


def test_a_dataset_without_a_split_to_divide_gives_no_rows(tmp_path):
    images, truth = stored(tmp_path / "images", photos=3)
    only_test = LabelTruth("pets", truth.ids, truth.labels, ["test"] * len(truth.ids), truth.class_names)
    assert probe_scores(images, only_test, SETTINGS, QUICK, tmp_path / "out") == []
    assert pq.read_table(tmp_path / "out" / "predictions.parquet").num_rows == 0


def test_the_same_embeddings_give_the_same_bytes(tmp_path):
    images, truth = stored(tmp_path / "images", noise=1.0)
    for name in ("one", "two"):
        probe_scores(images, truth, SETTINGS, PROBE, tmp_path / name)
    names = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
