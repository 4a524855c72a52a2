"""Real vectors of ViT-B/32 (1,000 photos of Flickr8k, class texts) through our scores, and the same figures by numpy alone.

The references below share no code with the package: whole matrices, no blocks, no helpers. Each test has a twin on generated
vectors of the same shape, which always runs.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.retrieval import retrieval_scores, text_to_image_ranks
from clip_pipeline.evaluation.zero_shot import LabelTruth, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import write_captions, write_images, write_texts

SETTINGS = EvaluationSettings(bootstrap_samples=100)
LOGIT_SCALE = 100.0  # ViT-B/32 was trained up to it
WORDS = {
    "dog": r"\bdogs?\b", "horse": r"\bhorses?\b", "bicycle": r"\b(bicycles?|bikes?|cyclists?|bikers?)\b",
    "motorcycle": r"\b(motorcycles?|motorbikes?|dirt ?bikes?)\b", "skateboard": r"\bskateboard", "snowboard": r"\bsnowboard",
    "surfboard": r"\bsurf", "frisbee": r"\bfrisbee", "boat": r"\b(boats?|canoes?|kayak\w*)\b", "kite": r"\bkites?\b",
}  # fmt: skip
"""COCO classes, and how a caption says that it shows one."""


class Vectors:
    """Photos with a caption each, and class texts, which are not unit length. spread: noise that makes a search fail now and then."""

    def __init__(self, photos, captions, class_names, classes, spread):
        self.photos, self.captions, self.class_names, self.classes = photos, captions, class_names, classes
        self.spread = spread

    def saying(self, word: str) -> np.ndarray:
        """Whether each caption mentions the class."""
        return np.array([re.search(WORDS[word], caption.lower()) is not None for caption in self.captions])


@pytest.fixture
def real(shared_data):
    folder = shared_data("clip_embeddings/flickr8k_vitb32_1000")
    photos = np.load(folder / "clip_embeddings.npy")
    captions = json.loads((folder / "captions_5k.json").read_text())[: len(photos)]
    texts = shared_data("clip_embeddings/detic_class_text")
    lvis = json.loads((texts / "lvis_v1_train_cat_info.json").read_text())
    names = [entry["name"] for entry in sorted(lvis, key=lambda entry: entry["id"])]
    return Vectors(photos, captions, names, np.load(texts / "lvis_v1_clip_a+cname.npy"), 0.12)


@pytest.fixture
def generated():
    """Somewhat as real ones lie: class texts close together, photos that lean towards their class."""
    rng = np.random.default_rng(0)
    names = [*WORDS, *(f"thing {c}" for c in range(190))]
    classes = rng.normal(size=(200, 512)) + 2 * rng.normal(size=512)
    label = rng.integers(0, len(WORDS), 1000)
    photos = 0.1 * rng.normal(size=512) + 0.2 * classes[label] + rng.normal(size=(1000, 512))
    captions = [f"a {names[c]}" for c in label]
    return Vectors(
        (photos / np.linalg.norm(photos, axis=1, keepdims=True)).astype(np.float16), captions, names, classes, 0.35
    )


@pytest.fixture(params=["generated", "real"])
def vectors(request):
    return request.getfixturevalue(request.param)


def as_stored(rows):
    """Unit length, then float16: what the embedding stage writes."""
    rows = np.asarray(rows, np.float64)
    return (rows / np.sqrt((rows * rows).sum(axis=1))[:, None]).astype(np.float16).astype(np.float64)


def digits(value: float) -> str:
    return f"{value:.6f}"


def lvis_names_of(vectors, word):
    """LVIS writes motor_scooter, and says which sense is meant: frisbee, kite, dog, …"""
    return next(c for c, name in enumerate(vectors.class_names) if name.split("_(")[0] == word)


def test_zero_shot_figures_are_those_of_numpy_to_the_last_digit(vectors, tmp_path):
    words = [word for word in WORDS if any(name.split("_(")[0] == word for name in vectors.class_names)]
    said = np.stack([vectors.saying(word) for word in words])
    chosen = np.flatnonzero(said.sum(axis=0) == 1)
    index_of = np.array([lvis_names_of(vectors, word) for word in words])
    labels = index_of[said[:, chosen].argmax(axis=0)]
    assert len(chosen) > 300
    assert len(set(labels.tolist())) > 5

    images = write_images(tmp_path / "i", [f"p{row}" for row in chosen], vectors.photos[chosen])
    texts = write_texts(tmp_path / "t", prompt_table(vectors.class_names, ["{c}"]), vectors.classes)
    truth = LabelTruth(
        "real", [f"p{row}" for row in chosen], labels.tolist(), ["test"] * len(chosen), vectors.class_names
    )
    rows = zero_shot_scores(images, texts, truth, SETTINGS, tmp_path / "s", Scored(logit_scale=LOGIT_SCALE))
    ours = {row["metric"]: row["value"] for row in rows}

    classes = as_stored(vectors.classes)
    classes /= np.sqrt((classes * classes).sum(axis=1))[:, None]
    cosines = as_stored(vectors.photos[chosen]) @ classes.T
    candidates = sorted(set(labels.tolist()))
    among = cosines[:, candidates]
    ranked = np.array(candidates)[np.argsort(-among, axis=1)]
    hits = ranked[:, 0] == labels
    assert digits(ours["top1"]) == digits(np.mean(hits))
    assert digits(ours["top5"]) == digits(np.mean((ranked[:, :5] == labels[:, None]).any(axis=1)))
    assert digits(ours["mean_per_class_recall"]) == digits(np.mean([hits[labels == c].mean() for c in candidates]))
    assert digits(ours["top1_all_classes"]) == digits(np.mean(cosines.argmax(axis=1) == labels))
    weights = np.exp(LOGIT_SCALE * np.round(among, 6))
    sure = (weights / weights.sum(axis=1, keepdims=True)).max(axis=1)
    edges = np.arange(16) / 15
    inside = [(sure > edges[b]) & (sure <= edges[b + 1]) for b in range(15)]
    error = sum(abs(hits[rows].mean() - sure[rows].mean()) * rows.mean() for rows in inside if rows.any())
    assert digits(ours["ece"]) == digits(error)
    chance = {row["metric"]: row["chance"] for row in rows}
    assert ours["top1"] > 3 * chance["top1"]  # one prompt a class, and captions that leave most of a photo out
    assert ours["top1_all_classes"] > 20 * chance["top1_all_classes"]


def numpy_recalls(images, texts, owner, k):
    """(image → text, text → image) recall@k by full sorts; equal cosines (to six decimals) in the order of the lists."""
    cosines = np.round(images @ texts.T, 6)
    best_texts = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    best_images = np.argsort(-cosines.T, axis=1, kind="stable")[:, :k]
    found_text = (owner[best_texts] == np.arange(len(images))[:, None]).any(axis=1)
    found_image = (best_images == owner[:, None]).any(axis=1)
    return found_text.mean(), found_image.mean()


@pytest.mark.slow
@pytest.mark.parametrize("captions", ["noisy photo vectors", "class texts, many of them equal"])
def test_retrieval_figures_are_those_of_numpy_to_the_last_digit(vectors, captions, tmp_path):
    rng = np.random.default_rng(3)
    photos = np.arange(len(vectors.photos))
    if captions == "noisy photo vectors":
        counts = rng.integers(1, 5, len(photos))  # one to four captions a photo
        owner = np.repeat(photos, counts)
        texts = np.asarray(vectors.photos, float)[owner] + vectors.spread * rng.normal(size=(len(owner), 512))
    else:
        said = {lvis_names_of(vectors, word): vectors.saying(word) for word in ("dog", "horse", "bicycle")}
        of = [[c for c, every in said.items() if every[row]] for row in photos]
        photos = np.array([row for row in photos if of[row]])
        counts = np.array([len(of[row]) for row in photos])
        owner = np.repeat(np.arange(len(photos)), counts)
        texts = vectors.classes[[c for row in photos for c in of[row]]]
    captioned = [(f"p{row}", [f"p{row} says {k}" for k in range(n)]) for row, n in zip(photos, counts, strict=True)]
    images = write_images(tmp_path / "i", [one for one, _ in captioned], vectors.photos[photos])
    rows = retrieval_scores(
        images, write_captions(tmp_path / "t", captioned, texts), "real", "test", SETTINGS, tmp_path
    )
    ours = {row["metric"]: row["value"] for row in rows}
    for k in (1, 5, 10):
        image_to_text, text_to_image = numpy_recalls(as_stored(vectors.photos[photos]), as_stored(texts), owner, k)
        assert digits(ours[f"image_to_text_recall@{k}"]) == digits(image_to_text)
        assert digits(ours[f"text_to_image_recall@{k}"]) == digits(text_to_image)
    if captions == "noisy photo vectors":
        assert 0.1 < ours["text_to_image_recall@1"] < 0.95  # neither extreme would tell much
    assert len(pq.read_table(tmp_path / "text_to_image.parquet")) == len(owner)


def test_searching_with_a_class_text_finds_photos_whose_captions_say_it(vectors):
    """Share of the five photos nearest to "a dog" whose caption mentions one, against the share of all photos that do."""
    words = [word for word in WORDS if vectors.saying(word).sum() >= 5]
    assert len(words) >= 7
    texts = as_stored(vectors.classes[[lvis_names_of(vectors, word) for word in words]])
    _, best = text_to_image_ranks(as_stored(vectors.photos), texts, np.zeros(len(words), int))
    assert best.shape == (len(words), 5)
    found = {word: vectors.saying(word)[best[row]].mean() for row, word in enumerate(words)}
    base = {word: vectors.saying(word).mean() for word in words}
    # Real ones, 2026-11-21: dog 1.0 (23 % of all photos mention one), horse 0.8 (1.0 %), bicycle 0.6 (3.3 %), motorcycle 0.4
    # (0.6 %), skateboard 0.6 (2.8 %), snowboard 0.6 (0.8 %), surfboard 0.8 (1.5 %), boat 0.8 (1.0 %).
    assert found["dog"] >= 0.8
    assert np.mean(list(found.values())) > 0.6
    assert np.mean(list(found.values())) > 5 * np.mean(list(base.values()))
    assert all(found[word] > base[word] for word in words)
