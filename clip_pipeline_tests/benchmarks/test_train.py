"""The parts of benchmarks/train.py that decide what is compared and how: batches, shards, the loss, the verdict."""

from __future__ import annotations

import importlib
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def train(monkeypatch):
    """benchmarks/train.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("train", "download", "open_clip_trainer")
    yield importlib.import_module("train")
    for name in names:
        sys.modules.pop(name, None)


def _photos(train, count: int) -> list:
    from PIL import Image

    photos = []
    for number in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (16, 16), (number * 30 % 256, 90, 200 - number * 10)).save(stream, "JPEG")
        captions = (f"the photo number {number}", f"another text of {number}")
        photos.append(train.Photo(f"{number}.jpg", stream.getvalue(), captions))
    return photos


def _unit_rows(rows: int, width: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, width))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_the_loss_is_that_of_open_clip(train, scale):
    import torch

    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.loss import ClipLoss

    images, texts = _unit_rows(16, 8, 1), _unit_rows(16, 8, 2)
    expected = ClipLoss()(torch.from_numpy(images), torch.from_numpy(texts), torch.tensor(scale, dtype=torch.float64))
    assert train.contrastive_nats(images, texts, scale) == pytest.approx(float(expected), abs=1e-9)


def test_both_models_are_judged_on_whole_batches_without_augmentation(train, tmp_path):
    import torch

    from clip_pipeline.models.registry import build_model

    photos = _photos(train, 10)
    tokenizer, config = train.write_model("tiny_test", photos, tmp_path)
    torch.manual_seed(0)
    weights = build_model(config).state_dict()
    images, tokens = train.validation_arrays(photos, 16, tokenizer, 12)
    assert images.shape == (10, 3, 16, 16)
    assert -1 <= images.min() <= images.max() <= 1
    loss = train.loss_of(config, weights, images, tokens, batch_size=4)
    assert loss == train.loss_of(config, weights, images, tokens, batch_size=4)
    model = build_model(config)
    model.load_state_dict(weights)
    model.eval()
    order = np.random.default_rng(0).permutation(10)[:8]
    with torch.no_grad():
        found = []
        for rows in (order[:4], order[4:]):
            outcome = model(torch.from_numpy(images[rows]), torch.from_numpy(tokens[rows]))
            logits = outcome[2] * outcome[0] @ outcome[1].T
            target = torch.arange(4)
            cross = torch.nn.functional.cross_entropy
            found.append(float(cross(logits, target) + cross(logits.T, target)) / 2)
    assert loss == pytest.approx(np.mean(found), abs=1e-5)


def test_captions_keep_their_order_and_lose_their_line_ends(train):
    text = "a.jpg#0\tA dog  runs .\na.jpg#1\tIt is brown .\n\nb.jpg#0\tA cat .\nc.jpg#0\t \n"
    assert train.parse_captions(text) == {"a.jpg": ("A dog runs .", "It is brown ."), "b.jpg": ("A cat .",)}


def test_the_shards_hold_every_photo_once_and_say_how_many(train, tmp_path):
    from clip_pipeline.sources.photos.formats.tar_index import read_shard

    photos = _photos(train, 7)
    train.write_shards(photos, tmp_path / "shards", 3)
    sizes = json.loads((tmp_path / "shards" / "sizes.json").read_text())
    assert sizes == {"00000.tar": 3, "00001.tar": 3, "00002.tar": 1}
    found = [members for name in sorted(sizes) for _, members in read_shard(tmp_path / "shards" / name)]
    assert [members["jpg"] for members in found] == [photo.content for photo in photos]
    assert [members["txt"].decode() for members in found] == [photo.captions[0] for photo in photos]
    assert train.brace_pattern(tmp_path / "shards") == f"{tmp_path}/shards/{{00000..00002}}.tar"


@pytest.mark.parametrize(
    ("photos", "batch", "workers", "steps"), [(6000, 64, 1, 94), (6000, 64, 4, 96), (128, 64, 0, 2)]
)
def test_an_epoch_has_the_batches_of_open_clips_loader(train, photos, batch, workers, steps):
    assert train.steps_of_epoch(photos, batch, workers) == steps


def test_the_steps_are_whole_epochs(train, tmp_path):
    options = train.parse_arguments(["--steps", "400", "--precision", "fp32"])
    plan = train.make_plan(options, 6000, tmp_path)
    assert (plan.epochs, plan.steps, plan.samples, plan.warmup) == (4, 376, 376 * 64, 19)
    assert options.seeds == [0, 1, 2, 3, 4, 5]


def test_a_loss_is_worse_only_beyond_two_standard_errors(train):
    # both samples have the variance 0.01: the standard error is sqrt(0.01 / 3 + 0.01 / 3) = 0.0816
    theirs = [2.9, 3.0, 3.1]
    found = train.compare_losses([3.0, 3.1, 3.2], theirs)
    assert found.difference == pytest.approx(0.1)
    assert found.standard_error == pytest.approx(math.sqrt(0.02 / 3))
    assert found.verdict == "not worse"
    assert train.compare_losses([3.1, 3.2, 3.3], theirs).verdict == "WORSE"
    assert train.compare_losses([2.0, 2.1, 2.2], theirs).verdict == "not worse"
    assert "two seeds" in train.compare_losses([3.0], [2.0]).verdict


def test_the_other_trainers_command_has_its_options_after_two_dashes(train, tmp_path):
    from open_clip_trainer import trainer_command

    options = {"lr": 0.1, "image-mean": [0.5, 0.6], "save-most-recent": True}
    command = trainer_command(tmp_path / "t.json", tmp_path, None, options)
    assert command[command.index("--") + 1 :] == ["--lr", "0.1", "--image-mean", "0.5", "0.6", "--save-most-recent"]
