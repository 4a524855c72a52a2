"""A model that reads bytes, from photos with captions to scores, by the library's own verbs; no tokenizer is made on the way."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clip_pipeline
from clip_pipeline.embedding.store import read_embeddings
from clip_pipeline.models.registry import load_config
from clip_pipeline.pipeline.steps import training
from clip_pipeline.settings import ComputeSettings, EvaluationSettings, Recipe, with_settings
from clip_pipeline_tests.training.conftest import COLOURS, coloured_photo

RECIPE = Recipe(evaluation=EvaluationSettings(bootstrap_samples=100), compute=ComputeSettings(device="cpu", threads=1))


def config_file(folder: Path) -> Path:
    config = load_config("tiny_test") | {"custom_text": True}
    config["text_cfg"] |= {"layers": 2, "context_length": 40, "vocab_size": 259}
    config["text_cfg"]["token_pooling"] = {"tokens": "bytes", "kind": "whitespace"}
    (folder / "small_bytes.json").write_text(json.dumps(config))
    return folder / "small_bytes.json"


def big(colour: str, seed: int) -> bytes:
    """As large as photos are asked to be."""
    with Image.open(io.BytesIO(coloured_photo(colour, seed))) as image, io.BytesIO() as buffer:
        image.resize((72, 60)).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()


def write_photos(folder: Path, count: int, start: int = 0) -> Path:
    folder.mkdir()
    rows = ["file,caption"]
    for number in range(start, start + count):
        colour = list(COLOURS)[number % 4]
        (folder / f"{number}.jpg").write_bytes(big(colour, number))
        rows.append(f"{number}.jpg,{colour} paint number {number}")
    (folder / "captions.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("bytes")
    settings = {
        "training.model": str(config_file(root)),
        "training.steps": 60,
        "training.batch_size": 8,
        "training.learning_rate": 3e-3,
    }
    clip_pipeline.train(
        write_photos(root / "photos", 64), root / "model", recipe="tiny", settings=settings, device="cpu"
    )
    assert not list(root.rglob("tokenizer*"))
    return root / "model"


def test_mistyped_and_strange_texts_are_embedded_and_classified(model, tmp_path):
    texts = ["red paint", "rde paint", "Zażółć gęślą jaźń", "日本語", "word " * 60, "\u0000\ufeff"]
    (tmp_path / "texts.txt").write_text("\n".join(texts[:5]) + "\n")
    facts = clip_pipeline.embed(model, tmp_path / "out", texts=tmp_path / "texts.txt", device="cpu")
    _, matrix = read_embeddings(tmp_path / "out", "texts")
    assert facts.texts == 5 and np.isfinite(matrix.astype(np.float32)).all()
    loaded, _, tokenizer = clip_pipeline.load(model)
    vectors: Any = loaded.encode_text(tokenizer(texts), normalize=True)  # type: ignore[operator]
    assert np.abs(vectors[:5].detach().numpy() - matrix).max() < 1e-3
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[3]


def test_it_is_scored_by_retrieval_and_zero_shot(model, tmp_path):
    rows = clip_pipeline.evaluate(model, write_photos(tmp_path / "cups", 12, 100), tmp_path / "r.json", recipe=RECIPE)
    assert {row["task"] for row in rows} == {"retrieval"}
    for number in range(12):
        colour = list(COLOURS)[number % 4]
        (tmp_path / "labelled" / colour).mkdir(parents=True, exist_ok=True)
        (tmp_path / "labelled" / colour / f"{number}.jpg").write_bytes(big(colour, 900 + number))
    rows = clip_pipeline.evaluate(model, tmp_path / "labelled", tmp_path / "z.json", recipe=RECIPE)
    (top,) = [row for row in rows if row["task"] == "zero_shot" and row["metric"] == "top1"]
    assert top["value"] >= 0.75


@pytest.mark.parametrize(("model_name", "needs"), [("laptop_bytes", False), ("laptop_vit", True)])
def test_the_pipelines_training_depends_on_a_tokenizer_only_where_it_reads_one(model_name, needs, monkeypatch):
    monkeypatch.setattr(training, "shard_hashes", lambda workspace: {})
    artifact = SimpleNamespace(content="c", file_hash=lambda name: "h")
    recipe = with_settings(Recipe(), [f"training.model={model_name}"])
    workspace: Any = SimpleNamespace(recipe=recipe, get=lambda name: artifact)
    assert ("bpe_tokenizer" in training._training_inputs(workspace, "")) == needs
