"""Image encoders that pool their tokens, in every runtime: the vectors of torch, whatever the batch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clip_pipeline.embedding.runtimes.onnx_graph import hash_encoder
from clip_pipeline.embedding.runtimes.registry import make_runtime
from clip_pipeline.embedding.runtimes.runtime import Place
from clip_pipeline.models.registry import build_model, load_config

KINDS: dict[str, dict[str, Any]] = {
    "windows": {"kind": "windows"},
    "fixed": {"kind": "fixed", "segments": 5, "order": "raster"},
    "gumbel": {"kind": "gumbel"},
    "router": {"kind": "router", "order": "hilbert"},
    "tome": {"kind": "tome", "segments": 3},  # several rounds
}
PACKAGES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino"), "torch": ()}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def built(kind: str, seed: int = 0, **changes: Any):
    config = load_config("tiny_test")
    config["vision_cfg"] |= {"layers": 3, "token_pooling": KINDS[kind] | changes}
    torch.manual_seed(seed)
    return build_model(config).eval()


def made(name: str, model, cache: Path):
    for package in PACKAGES[name.partition("_")[0]]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return make_runtime(name, model, Place("cpu", 1, cache))


def plain(model, pixels: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model.encode_image(pixels).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_exported_graph_gives_the_vectors_of_torch_alone_and_in_a_batch(kind, cache, pixels):
    model = built(kind)
    runtime = made("onnx_fp32", model, cache)
    vectors = runtime.encode_images(pixels)
    assert np.abs(vectors - plain(model, pixels)).max() < 1e-4
    alone = np.concatenate([runtime.encode_images(pixels[at : at + 1]) for at in (0, 7, 63)])
    assert np.abs(alone - vectors[[0, 7, 63]]).max() < 1e-5


@pytest.mark.parametrize("name", ["torch_bf16", "onnx_int8", "openvino_bf16", "openvino_int8"])
@pytest.mark.parametrize("kind", ["windows", "fixed"])
def test_kinds_that_decide_nothing_are_as_near_to_torch_as_a_plain_encoder(kind, name, cache, pixels):
    model = built(kind)
    one, two = made(name, model, cache).encode_images(pixels), plain(model, pixels)
    cosines = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    assert cosines.min() > 0.999


@pytest.mark.parametrize("name", ["onnx_int8", "openvino_int8"])
@pytest.mark.parametrize("kind", ["gumbel", "router", "tome"])
def test_a_photo_in_int8_does_not_depend_on_the_photos_beside_it(kind, name, cache, pixels):
    runtime = made(name, built(kind), cache)
    vectors = runtime.encode_images(pixels)
    assert (runtime.encode_images(pixels[:1])[0] == vectors[0]).all()
    assert (runtime.encode_images(pixels.flip(0))[::-1] == vectors).all()


def test_encoders_of_equal_weights_that_pool_otherwise_have_graphs_of_their_own():
    models = [built("windows"), built("tome"), built("tome", segments=4), built("tome", segments=4, after_layer=2)]
    assert len({hash_encoder(model) for model in models}) == 4
    assert hash_encoder(built("tome")) == hash_encoder(models[1])
