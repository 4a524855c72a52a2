"""The parts of benchmarks/flickr8k.py that decide how long open_clip's trainer runs and what is scored."""

from __future__ import annotations

import csv
import importlib
import io
import math
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def flickr8k(monkeypatch):
    """benchmarks/flickr8k.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("flickr8k")
    for name in ("flickr8k", "train", "download", "open_clip_trainer"):
        sys.modules.pop(name, None)


def _photos(flickr8k, count: int) -> list:
    from PIL import Image

    photos = []
    for number in range(count):
        stream = io.BytesIO()
        Image.new("RGB", (16, 16), (number * 37 % 256, number * 91 % 256, 100)).save(stream, "JPEG")
        captions = tuple(f"photo {number} told {way}" for way in range(5))
        photos.append(flickr8k.Photo(f"{number}.jpg", stream.getvalue(), captions))
    return photos


def test_the_table_has_a_row_a_caption_and_names_the_files(flickr8k, tmp_path):
    photos = _photos(flickr8k, 3)
    with flickr8k.write_rows(photos, tmp_path).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["title"] for row in rows] == [caption for photo in photos for caption in photo.captions]
    assert Path(rows[5]["filepath"]).read_bytes() == photos[1].content
    assert len(flickr8k.write_rows(photos, tmp_path, limit=4).read_text().splitlines()) == 5


@pytest.mark.parametrize(("seconds", "epochs"), [(2700, 19), (10, 1), (100_000, 32)])
def test_the_epochs_are_those_that_fit_into_the_budget(flickr8k, seconds, epochs):
    # an epoch of 468 steps of 0.3 s takes 140.4 s, and 19 of them with 20 s of start-up 2,688 s
    assert flickr8k.epochs_within(seconds, 20, 0.3, 468, 32) == epochs


def test_a_command_is_stopped_with_its_children_when_the_time_is_over(flickr8k, tmp_path):
    said, mark = tmp_path / "said.txt", tmp_path / "mark"
    child = f"import time, pathlib; time.sleep(1.5); pathlib.Path({str(mark)!r}).touch()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert not flickr8k.run_within([sys.executable, "-c", parent], 0.7, said)
    time.sleep(1.6)
    assert not mark.exists()
    assert flickr8k.run_within([sys.executable, "-c", "print('done')"], math.inf, said)
    assert said.read_text() == "done\n"
    with pytest.raises(SystemExit, match="what is wrong"):
        flickr8k.run_within([sys.executable, "-c", "raise SystemExit('what is wrong')"], 60, said)


def test_the_last_whole_checkpoint_counts(flickr8k, tmp_path):
    import torch

    assert flickr8k.latest_checkpoint(tmp_path) is None
    for epoch in (2, 10):
        torch.save({"state_dict": {"a": torch.ones(1)}, "epoch": epoch}, tmp_path / f"epoch_{epoch}.pt")
    assert flickr8k.latest_checkpoint(tmp_path) == (10, tmp_path / "epoch_10.pt")
    (tmp_path / "epoch_11.pt").write_bytes((tmp_path / "epoch_10.pt").read_bytes()[:300])
    assert flickr8k.latest_checkpoint(tmp_path) == (10, tmp_path / "epoch_10.pt")


def test_weights_of_the_other_trainer_become_a_folder_that_is_scored(flickr8k, tmp_path):
    import torch

    from clip_pipeline.models.folder import load_model_folder
    from clip_pipeline.models.registry import build_model

    photos = _photos(flickr8k, 12)
    tokenizer, config = flickr8k.write_model("tiny_test", photos, tmp_path)
    torch.manual_seed(1)
    weights = build_model(config).state_dict()
    flickr8k.write_folder(config, weights, tokenizer, tmp_path / "model")
    _, preprocess, _ = load_model_folder(tmp_path / "model")
    assert tuple(preprocess.transforms[-1].mean) == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    found = flickr8k.recalls(tmp_path / "model", photos)
    assert list(found)[:3] == [f"text → image recall@{k}" for k in (1, 5, 10)]
    for direction in ("text → image", "image → text"):
        shares = [found[f"{direction} recall@{k}"][0] for k in (1, 5, 10)]
        assert shares == sorted(shares)
    # an untrained model sees no words: any ten of twelve photos hold the right one about as often as chance
    value, low, high = found["text → image recall@10"]
    assert low <= value <= high
    assert 0.6 < value <= 1
