from __future__ import annotations

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import DatasetError, ShapeError
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.zero_shot import LabelTruth, class_vectors, mean_per_class_recall, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import score, unit, write_images, write_prompts

SETTINGS = EvaluationSettings(bootstrap_samples=200)


def names(count: int) -> list[str]:
    return [f"thing {c}" for c in range(count)]


def make(tmp_path, images, labels, classes, splits=None, ids=None):
    """Writes the two embedding folders and returns the arguments of zero_shot_scores up to the truth."""
    ids = ids or [f"photo{row:05d}" for row in range(len(images))]
    truth = LabelTruth("fake", ids, labels, splits or ["test"] * len(images), names(len(classes)))
    images_folder = write_images(tmp_path / "images", ids, images)
    return images_folder, write_prompts(tmp_path / "texts", truth.class_names, classes), truth


def loop_reference(images: np.ndarray, classes: np.ndarray, labels: list[int]) -> tuple[float, float, float]:
    """top-1, top-5 and mean per-class recall, with loops over the stored vectors."""
    stored_images, stored_classes = unit(images).astype(np.float16), unit(classes).astype(np.float16)
    first = fifth = 0
    hits, totals = [0] * len(classes), [0] * len(classes)
    for image, label in zip(stored_images, labels, strict=True):
        scores = []
        for c, vector in enumerate(stored_classes):
            length = math.sqrt(sum(float(x) ** 2 for x in vector))
            scores.append((-sum(float(a) * float(b) for a, b in zip(image, vector, strict=True)) / length, c))
        ranked = [c for _, c in sorted(scores)]
        first += ranked[0] == label
        fifth += label in ranked[:5]
        hits[label] += ranked[0] == label
        totals[label] += 1
    recalls = [h / t for h, t in zip(hits, totals, strict=True) if t]
    return first / len(labels), fifth / len(labels), sum(recalls) / len(recalls)


def test_scores_equal_those_of_a_plain_loop(tmp_path):
    rng = np.random.default_rng(0)
    classes = rng.normal(size=(12, 6))
    labels = [int(label) for label in rng.choice(12, 90, p=np.arange(1, 13) / 78)]
    labels[:12] = range(12)
    images = classes[labels] + 1.2 * rng.normal(size=(90, 6))
    rows = zero_shot_scores(*make(tmp_path, images, labels, classes), SETTINGS, tmp_path)
    first, fifth, recall = loop_reference(images, classes, labels)
    assert 0.2 < first < 0.9  # neither extreme would tell much
    assert score(rows, "top1")["value"] == pytest.approx(first, abs=1e-6)
    assert score(rows, "top5")["value"] == pytest.approx(fifth, abs=1e-6)
    assert score(rows, "mean_per_class_recall")["value"] == pytest.approx(recall, abs=1e-6)
    for row in rows:
        assert row["low"] < row["value"] < row["high"]
        assert (row["task"], row["dataset"], row["split"], row["n"]) == ("zero_shot", "fake", "test", 90)


def test_a_perfect_classifier_scores_exactly_one(tmp_path):
    # 5,003 photos through the reference project's evaluation (slices i:i+512 for i = 0, 1, 2 …) would give about 10 %
    classes = np.eye(10)
    labels = np.arange(5003) * 7 % 10
    rows = zero_shot_scores(*make(tmp_path, classes[labels], labels, classes), SETTINGS, tmp_path)
    for metric in ("top1", "top5", "mean_per_class_recall"):
        row = score(rows, metric)
        assert (row["value"], row["high"], row["n"]) == (1.0, 1.0, 5003)
        assert row["low"] > 0.999


def test_shuffled_labels_give_chance_within_the_interval(tmp_path):
    classes = np.eye(10)
    labels = np.arange(3000) % 10
    settings = EvaluationSettings(bootstrap_samples=500, shuffle_labels=True)
    rows = zero_shot_scores(*make(tmp_path, classes[labels], labels, classes), settings, tmp_path)
    for metric, chance in (("top1", 0.1), ("mean_per_class_recall", 0.1)):
        row = score(rows, metric)
        assert row["chance"] == chance
        assert row["low"] <= chance <= row["high"]
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert sorted(table["label"].to_pylist()) == sorted(labels.tolist())


def test_a_model_that_gives_every_photo_the_same_vector_scores_chance(tmp_path):
    classes = np.random.default_rng(0).normal(size=(10, 4))
    rows = zero_shot_scores(*make(tmp_path, np.ones((500, 4)), np.arange(500) % 10, classes), SETTINGS, tmp_path)
    assert score(rows, "top1")["value"] == 0.1


def test_equal_class_vectors_are_chosen_by_the_lower_index(tmp_path):
    classes = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    rows = zero_shot_scores(*make(tmp_path, classes, [0, 1, 2], classes), SETTINGS, tmp_path)
    assert score(rows, "top1")["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert pq.read_table(tmp_path / "predictions.parquet")["predicted"].to_pylist() == [0, 0, 2]


def test_labels_are_joined_by_id_and_not_by_position(tmp_path):
    classes = np.eye(4)
    images, texts, truth = make(tmp_path, classes[[0, 1, 2, 3]], [0, 1, 2, 3], classes)
    turned = LabelTruth("fake", truth.ids[::-1], truth.labels[::-1], truth.splits, truth.class_names)
    assert score(zero_shot_scores(images, texts, turned, SETTINGS, tmp_path), "top1")["value"] == 1.0


def test_photos_that_the_truth_does_not_know_stop_the_evaluation(tmp_path):
    images, texts, truth = make(tmp_path, np.eye(3), [0, 1, 2], np.eye(3))
    other = LabelTruth("fake", ["photo00000", "x", "y"], [0, 1, 2], ["test"] * 3, truth.class_names)
    with pytest.raises(ShapeError, match="labels of the photos: 2 of 3 ids are not there, the first is photo00001"):
        zero_shot_scores(images, texts, other, SETTINGS, tmp_path)


def test_prompts_of_another_list_of_classes_stop_the_evaluation(tmp_path):
    images, texts, truth = make(tmp_path, np.eye(3), [0, 1, 2], np.eye(3))
    swapped = LabelTruth("fake", truth.ids, truth.labels, truth.splits, ["thing 1", "thing 0", "thing 2"])
    with pytest.raises(ShapeError, match="the prompts call class 0 'thing 0', the dataset 'thing 1'"):
        zero_shot_scores(images, texts, swapped, SETTINGS, tmp_path)


def test_candidates_of_a_split_are_its_own_classes_and_all_classes_are_scored_beside(tmp_path):
    classes = np.eye(6) + 0.1
    # photos of classes 0 and 1 in `unseen` that lie nearest to class 5, which `unseen` does not have
    images = np.concatenate([classes[[0, 1]] + 2 * classes[5], classes[[2, 3, 4, 5]]])
    splits = ["unseen", "unseen", "seen", "seen", "seen", "seen"]
    rows = zero_shot_scores(*make(tmp_path, images, [0, 1, 2, 3, 4, 5], classes, splits), SETTINGS, tmp_path)
    unseen = score(rows, "top1", "unseen")
    assert (unseen["value"], unseen["chance"], unseen["n"]) == (1.0, 0.5, 2)
    among_all = score(rows, "top1_all_classes", "unseen")
    assert (among_all["value"], among_all["chance"]) == (0.0, pytest.approx(1 / 6, abs=1e-6))
    assert score(rows, "top1", "seen")["chance"] == 0.25


def test_a_photo_without_an_embedding_is_left_out(tmp_path):
    images, texts, truth = make(tmp_path, np.eye(3), [0, 1, 2], np.eye(3))
    more = LabelTruth("fake", [*truth.ids, "broken"], [0, 1, 2, 0], ["test"] * 4, truth.class_names)
    assert score(zero_shot_scores(images, texts, more, SETTINGS, tmp_path), "top1")["n"] == 3


def test_one_class_only_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r"photos of one class only \(thing 1\). Zero-shot needs at least two"):
        zero_shot_scores(*make(tmp_path, np.eye(3), [1, 1, 1], np.eye(3)), SETTINGS, tmp_path)


def test_a_label_beyond_the_names_is_told():
    with pytest.raises(DatasetError, match="labels run from 0 to 5, and there are 2 class names"):
        LabelTruth("fake", ["a", "b"], [0, 5], ["test", "test"], ["dog", "cat"])


def test_lists_of_different_length_are_told():
    with pytest.raises(ShapeError, match="2 ids, 1 labels, 2 splits"):
        LabelTruth("fake", ["a", "b"], [0], ["test", "test"], ["dog", "cat"])


def test_a_class_vector_is_the_normalised_mean_of_normalised_prompts():
    prompts = np.array([[3.0, 0.0], [0.0, 5.0], [0.0, 2.0]])
    half = math.sqrt(0.5)
    np.testing.assert_allclose(class_vectors(prompts, [0, 0, 1], 2), [[half, half], [0, 1]])


def test_a_class_without_a_prompt_is_told():
    with pytest.raises(ShapeError, match="The prompts name 1 classes, expected 2"):
        class_vectors(np.eye(2), [1, 1], 2)


def test_mean_per_class_recall_weighs_classes_equally():
    target, correct = np.array([0, 0, 0, 0, 1]), np.array([True, True, True, False, False])
    value, (low, high) = mean_per_class_recall(target, correct, 2, 500, 0)
    assert value == 0.375
    assert low <= value <= high


def test_predictions_and_both_score_files_are_written(tmp_path):
    classes = np.eye(7)
    rows = zero_shot_scores(*make(tmp_path, classes, list(range(7)), classes), SETTINGS, tmp_path, Scored("tiny"))
    assert json.loads((tmp_path / "scores.json").read_text()) == rows
    (path,) = (tmp_path / "clip_benchmark").iterdir()
    entry = json.loads(path.read_text())
    assert entry["metrics"] == {"acc1": 1.0, "acc5": 1.0, "mean_per_class_recall": 1.0}
    assert (entry["model"], entry["task"], entry["dataset"]) == ("tiny", "zeroshot_classification", "fake")
    table = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    assert table[3]["id"] == "photo00003"
    assert table[3]["best_names"][0] == table[3]["predicted_name"] == table[3]["label_name"] == "thing 3"
    assert table[3]["best_similarities"][0] == pytest.approx(1.0, abs=1e-3)
    assert len(table[3]["best_names"]) == 5


def test_the_same_input_gives_the_same_bytes(tmp_path):
    rng = np.random.default_rng(0)
    arguments = make(tmp_path, rng.normal(size=(50, 4)), np.arange(50) % 10, rng.normal(size=(10, 4)))
    for folder in ("one", "two"):
        zero_shot_scores(*arguments, SETTINGS, tmp_path / folder)
    for name in ("scores.json", "clip_benchmark.csv", "predictions.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


# ---- real vectors of ViT-B/32

COCO_ROWS = {"dog": 16, "horse": 17, "bicycle": 1, "skateboard": 36, "snowboard": 31, "surfboard": 37}
WORDS = {
    "dog": "dog",
    "horse": "horse",
    "bicycle": "bicycle",
    "skateboard": "skateboard",
    "snowboard": "snowboard",
    "surfboard": "surf",
}


def test_real_vectors_name_what_the_captions_of_real_photos_say(shared_data, tmp_path):
    folder = shared_data("clip_embeddings/flickr8k_vitb32_1000")
    vectors = np.load(folder / "clip_embeddings.npy").astype(np.float32)
    class_vectors_of_coco = np.load(shared_data("clip_embeddings/detic_class_text") / "coco_clip_a+cname.npy")
    photo_names = (folder / "image_names.txt").read_text().split()
    captions = json.loads((folder / "captions_5k.json").read_text())[: len(photo_names)]
    chosen, labels = [], []
    for row, caption in enumerate(captions):
        said = [c for c, word in enumerate(WORDS.values()) if word in caption.lower()]
        if len(said) == 1:
            chosen.append(row)
            labels.append(said[0])
    truth = LabelTruth("flickr8k", [photo_names[row] for row in chosen], labels, ["test"] * len(chosen), list(WORDS))
    images = write_images(tmp_path / "images", truth.ids, vectors[chosen])
    texts = write_prompts(
        tmp_path / "texts", truth.class_names, class_vectors_of_coco[list(COCO_ROWS.values())].astype(np.float32)
    )
    rows = zero_shot_scores(images, texts, truth, SETTINGS, tmp_path)
    assert score(rows, "top1")["n"] > 200
    assert score(rows, "top1")["value"] > 0.8
    assert score(rows, "mean_per_class_recall")["value"] > 0.8
    shuffled = EvaluationSettings(bootstrap_samples=200, shuffle_labels=True)
    assert score(zero_shot_scores(images, texts, truth, shuffled, tmp_path), "mean_per_class_recall")["value"] < 0.3
