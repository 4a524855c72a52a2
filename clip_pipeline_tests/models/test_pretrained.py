"""Models by name, on a machine whose network is what each test makes of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import load_model_folder, open_model
from clip_pipeline.models.identity import hash_weights
from clip_pipeline.models.registry import build_model, list_models, load_config, open_clip_architectures
from clip_pipeline_tests.made.tiny_model import build_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """The hub is an address of this machine where nobody listens, and its cache is empty."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_folder_is_opened_with_and_without_its_prefix(folder):
    for name in (folder, str(folder), f"local-dir:{folder}"):
        model, _, tokenizer = open_model(name)
        assert model.encode_text(tokenizer(["a cup"])).shape == (1, 32)
        assert not model.training


def test_a_look_at_a_name_needs_no_torch_and_knows_the_names_of_open_clip(folder, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"x")
    code = f"""
import sys
from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import check_model
for name in ({str(folder)!r}, "local-dir:{folder}", "ViT-B-32/openai", "ViT-B-32-quickgelu", "tiny_test/epoch_3.pt", "hf-hub:a/b"):
    check_model(name)
for name in ("ViT-B-33/openai", {str(tmp_path / "weights.pt")!r}, {str(tmp_path)!r}, "nowhere"):
    try:
        check_model(name)
        print("taken:", name)
    except ModelError as error:
        print(str(error)[:60])
print("torch" in sys.modules, "open_clip" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "False False", done.stderr
    assert "taken:" not in done.stdout and len(lines) == 5


def test_the_architectures_that_are_known_without_open_clip_are_those_of_open_clip():
    import open_clip

    assert set(open_clip_architectures()) <= set(open_clip.list_models())
    assert set(open_clip.list_models()) - set(open_clip_architectures()) <= {"tiny-of-open-clip", *list_models()}


def test_a_folder_with_weights_as_others_name_them_is_the_same_model(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    ours, _, _ = load_model_folder(folder)
    (other / "open_clip_model.safetensors").unlink()
    torch.save(ours.state_dict(), other / "open_clip_pytorch_model.bin")
    assert hash_weights(open_model(other)[0]) == hash_weights(ours)


def test_an_architecture_with_a_checkpoint_of_a_training_is_a_model(tmp_path):
    torch.manual_seed(3)
    built = build_model(load_config("tiny_test")).eval()
    torch.save(
        {"epoch": 1, "state_dict": {f"module.{k}": v for k, v in built.state_dict().items()}}, tmp_path / "epoch_1.pt"
    )
    model, preprocess, tokenizer = open_model(f"tiny_test/{tmp_path / 'epoch_1.pt'}")
    assert hash_weights(model) == hash_weights(built)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    assert preprocess(image).shape == (3, 16, 16)
    assert tuple(preprocess.transforms[-1].mean) == (0.5, 0.5, 0.5), "as our trainings prepare images"
    assert tokenizer(["a cup"]).shape[1] == load_config("tiny_test")["text_cfg"]["context_length"]


def test_a_checkpoint_of_another_architecture_is_told(tmp_path):
    torch.save({"state_dict": {"weight": torch.ones(2)}}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match=r"other.pt do not load into tiny_test: .*Give the architecture"):
        open_model(f"tiny_test/{tmp_path / 'other.pt'}")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ModelError, match=r"text.pt is no file of weights, it looks like text"):
        open_model(f"tiny_test/{tmp_path / 'text.pt'}")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("VIT-B-32/openai", r"is no folder, and no model of open_clip. Names near to it: .*ViT-B-32"),
        (
            "no/such/folder",
            r"no/such/folder is no folder, .*Expected a model folder, such as `clip-pipeline train` writes",
        ),
        ("ViT-B-32", r"ViT-B-32 needs weights. Its tags: .*openai.* Write ViT-B-32/TAG"),
        ("ViT-B-32/laion2b", r'"laion2b" is neither a file nor a tag of ViT-B-32. Near to it: .*laion2b_s34b_b79k'),
        ("tiny_test", r"tiny_test is an architecture, and it has no pretrained weights. Give tiny_test/FILE"),
        ("tiny_test/gone.pt", r'there is no file "gone.pt"'),
    ],
)
def test_names_that_mean_nothing_are_told_with_what_is_near(name, sentence):
    with pytest.raises(ModelError, match=sentence):
        open_model(name)


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    ],
)
def test_without_network_a_sentence_says_at_once_what_to_do(name, repository, no_network, caplog):
    started = time.process_time()
    with pytest.raises(ModelError, match=rf"cannot be reached. Where there is network, run `hf download {repository} "):
        open_model(name)
    assert time.process_time() - started < 10
    assert "Retrying" not in caplog.text
    from huggingface_hub import constants

    assert constants.HF_HUB_OFFLINE is False


def test_what_is_in_the_cache_is_used_without_network(folder, no_network, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "cache" / "models--someone--tiny"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    config = repository / "snapshots" / commit / "open_clip_config.json"
    config.write_text(config.read_text().replace('"hf_tokenizer_name": "."', '"hf_tokenizer_name": ""'))
    model, _, _ = open_model("hf-hub:someone/tiny")
    assert hash_weights(model) == hash_weights(load_model_folder(folder)[0])
