"""The published folder, read by plain open_clip in another process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import clip_pipeline
from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import WEIGHTS_FILE, load_model_folder, save_model_folder
from clip_pipeline.models.preprocessing import preprocess_config
from clip_pipeline.models.registry import build_model, load_config, with_tokenizer
from clip_pipeline.settings import TokenizerSettings
from clip_pipeline.text.tokenizer import load_tokenizer
from clip_pipeline_tests.made.tokenizers import train_tokenizer
from clip_pipeline_tests.models.zoo import TABLE, TOKENS, scaled_down

TEXTS = ["a red cup", "a blue cup", "a blue cup on the very long and winding table of wood", ""]

DOCUMENTED = (Path(__file__).resolve().parents[2] / "docs/training.md").read_text(encoding="utf-8")
PLAIN, FOR_A_CPU_BUILD = re.findall(
    r"```python\n(.*?)```", DOCUMENTED.partition("## In plain open_clip")[2], re.DOTALL
)[:2]
VECTORS = """
import sys
import numpy, torch
from PIL import Image
image, texts, out = sys.argv[1], sys.argv[2].split("|"), sys.argv[3]
with torch.no_grad():
    seen = model.encode_image(preprocess(Image.open(image))[None], normalize=True)
    read = model.encode_text(tokenizer(texts), normalize=True)
numpy.savez(out, seen=seen.numpy(), read=read.numpy())
"""


def run_as_a_user(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess:
    """In a fresh process, in the folder that holds `model/`."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(clip_pipeline.__file__).parents[1])}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("model")
    (root / "corpus.txt").write_text("\n".join(TEXTS[:3]))
    train_tokenizer(root / "corpus.txt", TokenizerSettings(vocab_size=300), 12, root / "tokenizer")
    tokenizer = load_tokenizer(root / "tokenizer")
    config = with_tokenizer(load_config("tiny_test"), tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id)
    torch.manual_seed(0)
    save_model_folder(build_model(config), config, preprocess_config(config), root / "tokenizer", root / "model")
    return root / "model"


@pytest.mark.slow
def test_a_fresh_process_of_a_user_loads_the_folder_in_plain_open_clip_as_the_documentation_says(
    model_folder, tmp_path
):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    image.save(tmp_path / "image.png")
    (tmp_path / "model").symlink_to(model_folder)
    arguments = ("image.png", "|".join(TEXTS), "out.npz")
    done = run_as_a_user(PLAIN + VECTORS, *arguments, folder=tmp_path)
    if done.returncode and "operator torchvision::nms does not exist" in done.stderr:
        assert torch.version.cuda is None, "only where torch is a CPU build"
        done = run_as_a_user(FOR_A_CPU_BUILD + PLAIN + VECTORS, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = np.load(tmp_path / "out.npz")
    model, preprocess, tokenizer = load_model_folder(model_folder)
    with torch.no_grad():
        seen = model.encode_image(preprocess(image)[None], normalize=True)
        read = model.encode_text(tokenizer(TEXTS), normalize=True)
    assert np.abs(theirs["seen"] - seen.numpy()).max() < 1e-5
    assert np.abs(theirs["read"] - read.numpy()).max() < 1e-5


def test_texts_are_pooled_at_their_end_whatever_the_padding(model_folder):
    from clip_pipeline.training.model.encode import encode_captions

    model, _, tokenizer = load_model_folder(model_folder)
    ids = tokenizer(TEXTS)
    with torch.no_grad():
        features = model.encode_text(ids, normalize=True)
        other_padding = torch.where(ids == 0, 5, ids)
        assert torch.allclose(features, model.encode_text(other_padding, normalize=True), atol=1e-6)
        assert torch.allclose(features, encode_captions(model, ids), atol=1e-6)
        assert torch.allclose(features[:1], encode_captions(model, ids[:1]), atol=1e-6), "padding left out"
    assert (features[:, None] - features[None]).norm(dim=-1)[~torch.eye(4, dtype=bool)].min() > 1e-3


def test_there_is_no_chance_in_evaluation(model_folder):
    """A reference dropped units and cropped at random when it evaluated."""
    model, preprocess, tokenizer = load_model_folder(model_folder)
    assert not model.training
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8))
    with torch.no_grad():
        one, two = (model.encode_image(preprocess(image)[None]) for _ in range(2))
    assert torch.equal(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_every_model_of_the_package_comes_back_from_its_folder(name, model_folder, tmp_path):
    """At tiny widths, with its own layers and heads; through the public `load`, which checks every name and shape."""
    tokenizer = load_tokenizer(model_folder)
    config = with_tokenizer(scaled_down(name), tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id)
    torch.manual_seed(0)
    model = build_model(config).eval()
    save_model_folder(model, config, preprocess_config(config), model_folder, tmp_path)
    loaded, preprocess, tokenize = clip_pipeline.load(tmp_path)
    image = preprocess(Image.new("RGB", (70, 50), (200, 30, 30)))[None]
    size = config["vision_cfg"]["image_size"]
    assert image.shape == (1, 3, size, size)
    ids = tokenize(TEXTS)
    assert np.array_equal(ids.numpy(), tokenizer.encode(TEXTS, TOKENS))
    with torch.no_grad():
        assert torch.equal(loaded.encode_image(image), model.encode_image(image))
        assert torch.equal(loaded.encode_text(ids), model.encode_text(ids))


def test_the_same_weights_give_the_same_bytes(model_folder, tmp_path):
    model, _, _ = load_model_folder(model_folder)
    described = json.loads((model_folder / "open_clip_config.json").read_text())
    save_model_folder(model, described["model_cfg"], described["preprocess_cfg"], model_folder, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        p.name: p.read_bytes() for p in model_folder.iterdir()
    }


def test_small_models_squash_and_large_ones_crop():
    assert preprocess_config(load_config("tiny_test"))["resize_mode"] == "squash"
    assert preprocess_config(load_config("vit_b_16_112"))["resize_mode"] == "shortest"


def test_broken_folders_get_a_sentence(model_folder, tmp_path):
    import shutil

    with pytest.raises(ModelError, match="is no folder"):
        load_model_folder(tmp_path / "none")
    with pytest.raises(ModelError, match="holds no open_clip_config.json and no open_clip_model.safetensors"):
        load_model_folder(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(model_folder, copy)
    weights = (copy / WEIGHTS_FILE).read_bytes()
    (copy / WEIGHTS_FILE).write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="is cut: its weights end at byte"):
        load_model_folder(copy)
    (copy / WEIGHTS_FILE).write_bytes(weights)
    (copy / "open_clip_config.json").write_text("{}")
    with pytest.raises(ModelError, match="has no model_cfg"):
        load_model_folder(copy)
    shutil.copyfile(model_folder / "open_clip_config.json", copy / "open_clip_config.json")
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    last = tokenizer["added_tokens"][-1]
    tokenizer["added_tokens"].append(last | {"id": last["id"] + 1, "content": "[MORE]"})
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        ModelError, match=r"has 272 tokens, the model was trained with 271. They belong to different models"
    ):
        load_model_folder(copy)
