"""What the pipeline writes is read by the tools of the field, unchanged: webdataset, open_clip's trainer, transformers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

TRAIN_WITH_OPEN_CLIP = """
import sys
from clip_pipeline.models.torchvision_operators import define_missing_operators
define_missing_operators()
import open_clip
from open_clip_train.main import main
open_clip.add_model_config(sys.argv[1])
main(sys.argv[2:])
"""

LOAD_WITH_OPEN_CLIP = """
import sys
from clip_pipeline.models.torchvision_operators import define_missing_operators
define_missing_operators()
import numpy as np, open_clip, torch
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:" + sys.argv[1])
tokenizer = open_clip.get_tokenizer("local-dir:" + sys.argv[1])
model.eval()
with torch.no_grad():
    np.save(sys.argv[2], model.encode_text(tokenizer(["a red cup", "a blue car on the grass"]), normalize=True).numpy())
"""


def offline() -> dict[str, str]:
    return os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def test_webdataset_reads_the_shards(tiny_data):
    webdataset = pytest.importorskip("webdataset")
    folder = tiny_data / "images/image_shards/00000"
    attempts = pq.read_table(folder / "00000.parquet").to_pylist()
    stored = {row["key"]: row for row in attempts if row["status"] == "success"}
    samples = list(webdataset.WebDataset(str(folder / "00000.tar"), shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in samples] == sorted(stored)
    for sample in samples:
        row = stored[sample["__key__"]]
        assert sample["jpg"].size == (row["width"], row["height"])
        assert sample["txt"] == (row["caption"] or "")
        assert sample["json"]["id"] == row["id"]


@pytest.fixture
def older_webdataset(tmp_path) -> str:
    """A folder with the webdataset that open_clip pins (<= 0.2.86): its trainer cannot read with later ones."""
    folder = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), "webdataset==0.2.86"]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("webdataset 0.2.86, which open_clip's trainer needs, cannot be installed: no package index")
    return str(folder)


def test_open_clips_own_trainer_trains_on_the_shards(tiny_data, tmp_path, older_webdataset):
    config = tmp_path / "tiny_visitor.json"
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    config.write_text(json.dumps({"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}))
    shards = sorted(str(path) for path in (tiny_data / "images/image_shards").glob("*/*.tar"))
    arguments = ["--train-data", "::".join(shards), "--dataset-type", "webdataset", "--train-num-samples", "64"]
    arguments += ["--model", "tiny_visitor", "--batch-size", "16", "--epochs", "1", "--warmup", "1", "--workers", "1"]
    arguments += ["--device", "cpu", "--precision", "fp32", "--logs", str(tmp_path / "logs"), "--name", "visit"]
    result = subprocess.run(
        [sys.executable, "-c", TRAIN_WITH_OPEN_CLIP, str(config), *arguments],
        capture_output=True,
        text=True,
        env=offline() | {"PYTHONPATH": older_webdataset},
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert (tmp_path / "logs/visit/checkpoints/epoch_1.pt").exists()


def test_the_published_model_gives_plain_open_clip_the_same_embeddings(tiny_data, tmp_path):
    import numpy as np
    import torch

    import clip_pipeline

    folder = tiny_data / "training/clip_checkpoint/tiny_test"
    command = [sys.executable, "-c", LOAD_WITH_OPEN_CLIP, str(folder), str(tmp_path / "texts.npy")]
    result = subprocess.run(command, capture_output=True, text=True, env=offline())
    assert result.returncode == 0, result.stderr[-2000:]
    model, _, tokenizer = clip_pipeline.load(folder)
    with torch.no_grad():
        ours = model.encode_text(tokenizer(["a red cup", "a blue car on the grass"]), normalize=True).numpy()
    assert np.abs(ours - np.load(tmp_path / "texts.npy")).max() < 1e-5


def test_the_tokenizer_loads_in_transformers(tiny_data):
    from transformers import AutoTokenizer

    from clip_pipeline.text.tokenizer import load_tokenizer

    folder = tiny_data / "text/bpe_tokenizer"
    theirs, ours = AutoTokenizer.from_pretrained(folder), load_tokenizer(folder)
    text = "A red cup left of a blue car!"
    assert theirs(text)["input_ids"] == [int(i) for i in ours.encode([text], 32)[0] if i != ours.pad_id]
    assert theirs.decode(theirs(text)["input_ids"], skip_special_tokens=True) == text.lower()
