"""An image encoder that pools its tokens is trained like any other."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.folder import WEIGHTS_FILE, load_model_folder
from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import PoolingSettings
from clip_pipeline.training.objective.grad_cache import GradCacheStep
from clip_pipeline.training.objective.loss import Objective
from clip_pipeline_tests.training.conftest import SETTINGS, TinyData
from clip_pipeline_tests.training.test_train import model_bytes

STEPS = 24
STILL: dict[str, Any] = {"steps": 1, "learning_rate": 1e-9, "weight_decay": 0.0}
"""A training that moves nothing."""


def config_file(folder: Path, **pooling) -> str:
    config = load_config("tiny_test")
    config["vision_cfg"] |= {"layers": 2, "token_pooling": pooling}
    path = folder / "pooled.json"
    path.write_text(json.dumps(config))
    return str(path)


def settings(model: str, **changes):
    return dataclasses.replace(SETTINGS, model=model, **({"steps": STEPS} | changes))


@pytest.fixture(scope="module")
def trained(tiny_data: TinyData, tmp_path_factory) -> Path:
    """An undisturbed training of the kind that draws in training; its configuration lies beside it."""
    root = tmp_path_factory.mktemp("pooled")
    tiny_data.train(root, settings(config_file(root, kind="gumbel")))
    return root


def test_it_learns_and_says_how_it_pools(trained):
    summary = json.loads((trained / "model" / "training.json").read_text())
    assert summary["token_pooling"] == {
        "kind": "gumbel", "order": "serpentine", "after_layer": 1, "segments": 4, "tokens_of_a_segment": 4.0, "padding": 0.0,
        "tokens_of_layers": [17, 5],
    }  # fmt: skip
    assert summary["final_train_loss"] < 0.9 * math.log(8)
    model: Any = load_model_folder(trained / "model")[0]
    with torch.no_grad():
        assert model.encode_image(torch.randn(2, 3, 16, 16)).shape == (2, 32)


def test_the_boundaries_are_learnt_too(tiny_data: TinyData, trained, tmp_path):
    """Beside a training that moves nothing: both begin alike."""
    tiny_data.train(tmp_path, settings(str(trained / "pooled.json"), **STILL))
    start, end = (load_file(root / "model" / WEIGHTS_FILE) for root in (tmp_path, trained))
    names = [name for name in start if "token_pooling.predictor" in name]
    assert len(names) == 6
    assert all((start[name] - end[name]).abs().max() > 1e-3 for name in names)


def test_it_goes_on_after_ctrl_c_to_the_same_bytes(tiny_data: TinyData, trained, tmp_path):
    def press(row) -> None:
        if row["step"] == 9:
            signal.raise_signal(signal.SIGINT)

    wanted = settings(str(trained / "pooled.json"))
    with pytest.raises(KeyboardInterrupt):
        tiny_data.train(tmp_path, wanted, on_row=press)
    tiny_data.train(tmp_path, wanted)
    assert model_bytes(tmp_path) == model_bytes(trained)


def test_in_chunks_the_same_noise_is_drawn_twice(trained):
    """Otherwise the gradient would be one of other tokens than the loss was of."""
    model: Any
    model, _, tokenizer = load_model_folder(trained / "model")
    photos, tokens = torch.randn(8, 3, 16, 16), tokenizer(["red paint"] * 8)[:, None]
    seen: list[torch.Tensor] = []
    model.train().visual.token_pooling.register_forward_hook(lambda _, inputs, output: seen.append(output[1]))
    GradCacheStep(model, None, Objective(), "cpu", chunk_size=4).backward(photos, tokens)
    first, second, first_again, second_again = seen
    assert torch.equal(first, first_again) and torch.equal(second, second_again)
    assert not torch.equal(model.visual.token_pooling(torch.randn(4, 16, 32), None)[1], first)


def test_a_trained_one_is_gone_on_from(tiny_data: TinyData, trained, tmp_path):
    tiny_data.train(tmp_path, settings("tiny_test", init_from=str(trained / "model"), **STILL))
    photos = torch.randn(5, 3, 16, 16)
    before: Any = load_model_folder(trained / "model")[0]
    after: Any = load_model_folder(tmp_path / "model")[0]
    with torch.no_grad():
        assert torch.allclose(before.encode_image(photos), after.encode_image(photos), atol=1e-5)


@pytest.fixture(scope="module")
def plain(tiny_data: TinyData, tmp_path_factory) -> Path:
    """A training of a plain encoder with as many layers."""
    root = tmp_path_factory.mktemp("plain")
    tiny_data.train(root, settings("tiny_test", vision_layers=2))
    return root / "model"


def predictor_of(weights: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in weights if "token_pooling.predictor" in name}


@pytest.mark.parametrize("kind", ["windows", "gumbel", "router"])
def test_weights_of_a_plain_model_are_the_start_of_a_kind(kind, tiny_data: TinyData, plain, tmp_path, caplog):
    """Nothing moves here, so that what is published is what it began with."""
    wanted = settings("tiny_test", init_from=str(plain), **STILL)
    summary = tiny_data.train(tmp_path, wanted, pooling=PoolingSettings(kind=kind))
    weights, before = (load_file(folder / WEIGHTS_FILE) for folder in (tmp_path / "model", plain))
    assert set(weights) - predictor_of(weights) == set(before)
    assert all(torch.allclose(weights[name], before[name], atol=1e-6) for name in before)
    said = [sentence for sentence in summary["warnings"] if "token pooling" in sentence]
    assert len(said) == 1 and f"kind {kind} and was trained with none" in said[0] and said[0] in caplog.text
    assert ("begins with random weights" in said[0]) == bool(predictor_of(weights)) == (kind != "windows")
    assert summary["token_pooling"]["kind"] == kind
    model: Any = load_model_folder(tmp_path / "model")[0]
    assert model.visual.token_pooling.pooling.kind == kind


def test_weights_of_a_learnt_kind_are_the_start_of_another(tiny_data: TinyData, trained, tmp_path):
    """Its boundaries are of no use to others; the same kind with another target keeps them."""
    wanted = settings("tiny_test", init_from=str(trained / "model"), **STILL)
    before = load_file(trained / "model" / WEIGHTS_FILE)
    found = {}
    for kind in ("router", "none", "gumbel"):
        pooling = PoolingSettings(kind=kind, target=0 if kind == "none" else 8)
        found[kind] = tiny_data.train(tmp_path / kind, wanted, pooling=pooling)
    router, plain, gumbel = (load_file(tmp_path / kind / "model" / WEIGHTS_FILE) for kind in found)
    assert predictor_of(router) and predictor_of(router) != predictor_of(before)
    assert not predictor_of(plain) and "token_pooling" not in found["none"]
    assert all(torch.allclose(gumbel[name], before[name], atol=1e-6) for name in before)
    assert found["gumbel"]["token_pooling"]["segments"] == 2
    said = {kind: " ".join(summary["warnings"]) for kind, summary in found.items()}
    assert "What draws the boundaries of router begins with random weights." in said["router"]
    assert "What drew the boundaries of gumbel is left out." in said["router"] and "left out" in said["none"]
    assert (
        "goes on with token pooling kind gumbel, target 8 and was" in said["gumbel"] and "random" not in said["gumbel"]
    )


def test_a_pooled_model_that_is_named_beside_plain_weights_says_how_to_pool_them(tiny_data: TinyData, plain, tmp_path):
    summary = tiny_data.train(tmp_path, settings(config_file(tmp_path, kind="tome"), init_from=str(plain), **STILL))
    assert "token_pooling" not in summary
    assert any(
        "has no part in it. To pool the tokens of" in one and "set pooling.kind=tome" in one
        for one in summary["warnings"]
    )


def test_what_does_not_go_together_is_a_sentence(tiny_data: TinyData, tmp_path):
    pooled = config_file(tmp_path, kind="tome")
    with pytest.raises(SettingsError, match=r"training\.patch_dropout is 0\.5, but .* pools its tokens.*Set it to 0"):
        tiny_data.train(tmp_path, settings(pooled, patch_dropout=0.5))
    with pytest.raises(ModelError, match="after_layer is 1, and the image encoder has 1 layer"):
        tiny_data.train(tmp_path, settings(pooled, vision_layers=1))
