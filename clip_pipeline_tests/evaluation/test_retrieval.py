from __future__ import annotations

import itertools
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.embedding.texts import caption_table
from clip_pipeline.errors import DatasetError, ShapeError
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.retrieval import any_caption_chance, retrieval_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import score, unit, write_captions, write_images, write_texts

SETTINGS = EvaluationSettings(bootstrap_samples=200)


def make(tmp_path, images, captions_of_photo, texts):
    """captions_of_photo[i] is the number of captions of photo i; texts are in that order."""
    ids = [f"photo{row:04d}" for row in range(len(images))]
    captioned = [(one, [f"{one} says {k}" for k in range(n)]) for one, n in zip(ids, captions_of_photo, strict=True)]
    return write_images(tmp_path / "images", ids, images), write_captions(tmp_path / "texts", captioned, texts)


def loop_reference(images, captions_of_photo, texts, k):
    """(image → text, text → image) recall@k, with loops over the stored vectors; ties by order."""
    images, texts = unit(images).astype(np.float16), unit(texts).astype(np.float16)
    owner = [photo for photo, n in enumerate(captions_of_photo) for _ in range(n)]

    def cosine(a, b):
        return round(sum(float(x) * float(y) for x, y in zip(a, b, strict=True)), 6)

    image_hits = text_hits = 0
    for photo, image in enumerate(images):
        ranked = sorted(range(len(texts)), key=lambda t: (-cosine(image, texts[t]), t))
        image_hits += any(owner[t] == photo for t in ranked[:k])
    for t, text in enumerate(texts):
        ranked = sorted(range(len(images)), key=lambda photo: (-cosine(images[photo], text), photo))
        text_hits += owner[t] in ranked[:k]
    return image_hits / len(images), text_hits / len(texts)


def test_recalls_equal_those_of_a_plain_loop_with_unequal_numbers_of_captions(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(30, 5))
    counts = [1 + row % 5 for row in range(30)]
    texts = np.repeat(images, counts, axis=0) + 0.9 * rng.normal(size=(sum(counts), 5))
    rows = retrieval_scores(*make(tmp_path, images, counts, texts), "fake", "test", SETTINGS, tmp_path)
    for k in (1, 5, 10):
        image_to_text, text_to_image = loop_reference(images, counts, texts, k)
        assert score(rows, f"image_to_text_recall@{k}")["value"] == pytest.approx(image_to_text, abs=1e-6)
        assert score(rows, f"text_to_image_recall@{k}")["value"] == pytest.approx(text_to_image, abs=1e-6)
    assert 0.1 < score(rows, "text_to_image_recall@1")["value"] < 0.9
    assert (score(rows, "image_to_text_recall@1")["n"], score(rows, "text_to_image_recall@1")["n"]) == (30, 90)


def test_five_captions_a_photo_counted_by_hand(tmp_path):
    images = np.eye(2)
    # photo 0: one caption points at it, four at the other photo. photo 1: all five point at it.
    texts = np.array([[1, 0.1]] + [[0.1, 1.0]] * 4 + [[0.2, 1.0]] * 5)
    rows = retrieval_scores(*make(tmp_path, images, [5, 5], texts), "fake", "test", SETTINGS, tmp_path)
    assert score(rows, "text_to_image_recall@1")["value"] == 0.6  # 1 of 5, and 5 of 5
    # photo 1's nearest captions are the four of photo 0 that point at it more closely
    assert score(rows, "image_to_text_recall@1")["value"] == 0.5


@pytest.mark.slow
def test_perfect_embeddings_score_exactly_one_over_many_batches(tmp_path):
    images = np.random.default_rng(0).normal(size=(1200, 64))
    rows = retrieval_scores(
        *make(tmp_path, images, [2] * 1200, np.repeat(images, 2, axis=0)), "fake", "test", SETTINGS, tmp_path
    )
    assert {row["value"] for row in rows} == {1.0}
    assert len(rows) == 6


def test_shuffled_captions_give_chance_within_the_interval(tmp_path):
    images = np.random.default_rng(0).normal(size=(400, 16))
    settings = EvaluationSettings(bootstrap_samples=300, shuffle_labels=True)
    arguments = make(tmp_path, images, [5] * 400, np.repeat(images, 5, axis=0))
    rows = retrieval_scores(*arguments, "fake", "test", settings, tmp_path)
    for row in rows:
        deviation = (row["chance"] * (1 - row["chance"]) / row["n"]) ** 0.5
        assert abs(row["value"] - row["chance"]) < 3.5 * deviation, row
        assert row["low"] <= row["chance"] <= row["high"], row


def test_a_model_that_gives_everything_the_same_vector_scores_chance(tmp_path):
    arguments = make(tmp_path, np.ones((40, 3)), [5] * 40, np.ones((200, 3)))
    rows = retrieval_scores(*arguments, "fake", "test", SETTINGS, tmp_path)
    assert score(rows, "text_to_image_recall@1")["value"] == score(rows, "text_to_image_recall@1")["chance"] == 1 / 40
    assert score(rows, "image_to_text_recall@1")["value"] == 1 / 40


def test_the_chance_of_image_to_text_is_that_of_drawing_any_own_caption():
    def by_enumeration(counts, k):
        owners = [photo for photo, n in enumerate(counts) for _ in range(n)]
        draws = list(itertools.combinations(owners, k))
        return sum(photo in draw for photo in range(len(counts)) for draw in draws) / (len(draws) * len(counts))

    for counts, k in (([2, 2, 2], 1), ([1, 2, 4], 2), ([3, 1, 1, 2], 3), ([5, 1], 2)):
        assert any_caption_chance(np.array(counts), k) == pytest.approx(by_enumeration(counts, k))
    # ten captions drawn of 5,000 hit one of five with 1 %: five times as many to hit, five times as many to draw from
    assert any_caption_chance(np.full(1000, 5), 10) == pytest.approx(0.01, abs=0.0001)


@pytest.mark.slow
@given(st.lists(st.integers(1, 6), min_size=2, max_size=20), st.integers(1, 10))
def test_chance_is_a_probability_that_grows_with_k(counts, k):
    counts = np.array(counts)
    assert 0 <= any_caption_chance(counts, k) <= any_caption_chance(counts, k + 1) <= 1


def test_photos_and_captions_are_joined_by_id_and_not_by_position(tmp_path):
    images = np.eye(4)
    captions = caption_table([(f"p{row}", ["words"]) for row in range(4)])
    images_folder = write_images(tmp_path / "images", ["p2", "p0", "p3", "p1"], images[[2, 0, 3, 1]])
    texts_folder = write_texts(tmp_path / "texts", captions, images)
    rows = retrieval_scores(images_folder, texts_folder, "fake", "test", SETTINGS, tmp_path)
    assert score(rows, "text_to_image_recall@1")["value"] == score(rows, "image_to_text_recall@1")["value"] == 1.0


def test_a_caption_that_names_another_photo_than_its_id_stops_the_evaluation(tmp_path):
    captions = caption_table([("a", ["x"]), ("b", ["y"])])
    wrong = captions.set_column(2, "photo_id", [["b", "a"]])
    images_folder = write_images(tmp_path / "images", ["a", "b"], np.eye(2))
    texts_folder = write_texts(tmp_path / "texts", wrong, np.eye(2))
    with pytest.raises(ShapeError, match="the caption a#0 is said to be of photo b"):
        retrieval_scores(images_folder, texts_folder, "fake", "test", SETTINGS, tmp_path)


def test_a_photo_that_could_not_be_embedded_takes_its_captions_with_it(tmp_path):
    images_folder = write_images(tmp_path / "images", ["p0", "p2"], np.eye(3)[[0, 2]])
    captioned = [(f"p{row}", ["one", "two"]) for row in range(3)]
    texts_folder = write_captions(tmp_path / "texts", captioned, np.repeat(np.eye(3), 2, axis=0))
    rows = retrieval_scores(images_folder, texts_folder, "fake", "test", SETTINGS, tmp_path)
    assert (score(rows, "text_to_image_recall@1")["n"], score(rows, "text_to_image_recall@1")["value"]) == (4, 1.0)


def test_captions_of_other_photos_are_told(tmp_path):
    images_folder = write_images(tmp_path / "images", ["p0", "p1"], np.eye(2))
    texts_folder = write_captions(tmp_path / "texts", [("q", ["one"])], np.eye(1, 2))
    with pytest.raises(DatasetError, match="0 photos with both an embedding and a caption"):
        retrieval_scores(images_folder, texts_folder, "fake", "test", SETTINGS, tmp_path)


def test_results_and_both_score_files_are_written(tmp_path):
    rows = retrieval_scores(
        *make(tmp_path, np.eye(6), [1] * 6, np.eye(6)), "fake", "test", SETTINGS, tmp_path, Scored("tiny")
    )
    assert json.loads((tmp_path / "scores.json").read_text()) == rows
    assert [row["metric"] for row in rows] == [
        "image_to_text_recall@1",
        "image_to_text_recall@5",
        "text_to_image_recall@1",
        "text_to_image_recall@5",
    ]  # recall@10 of six photos would be 1 for anyone
    (path,) = (tmp_path / "clip_benchmark").iterdir()
    entry = json.loads(path.read_text())
    assert entry["metrics"]["image_retrieval_recall@1"] == 1.0
    assert entry["task"] == "zeroshot_retrieval"
    found = pq.read_table(tmp_path / "text_to_image.parquet").to_pylist()[3]
    assert (found["id"], found["place"], found["best_photo_ids"][0]) == ("photo0003#0", 0, "photo0003")
    found = pq.read_table(tmp_path / "image_to_text.parquet").to_pylist()[2]
    assert (found["photo_id"], found["best_texts"][0]) == ("photo0002", "photo0002 says 0")


# ---- real vectors of ViT-B/32


@pytest.mark.slow
def test_real_vectors_of_flickr8k_give_the_recalls_of_a_plain_loop(shared_data, tmp_path):
    real = np.load(shared_data("clip_embeddings/flickr8k_vitb32_1000") / "clip_embeddings.npy")
    images = real[:40].astype(np.float32)
    # there are no caption vectors: a photo's vector with noise stands in for each of its two captions
    texts = unit(np.repeat(images, 2, axis=0)) + 0.5 * np.random.default_rng(0).normal(size=(80, 512))
    rows = retrieval_scores(*make(tmp_path, images, [2] * 40, texts), "flickr8k", "test", SETTINGS, tmp_path)
    for k in (1, 5):
        image_to_text, text_to_image = loop_reference(images, [2] * 40, texts, k)
        assert score(rows, f"image_to_text_recall@{k}")["value"] == pytest.approx(image_to_text, abs=1e-6)
        assert score(rows, f"text_to_image_recall@{k}")["value"] == pytest.approx(text_to_image, abs=1e-6)
    assert 0.1 < score(rows, "text_to_image_recall@1")["value"] < 0.95
