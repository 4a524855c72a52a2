"""A model is known by its weights."""

from __future__ import annotations

import pytest
import torch

from clip_pipeline.models.folder import load_model_folder
from clip_pipeline.models.identity import hash_model_files, hash_weights, model_facts
from clip_pipeline_tests.made.tiny_model import build_tiny_model


def test_a_model_is_known_by_its_weights_wherever_its_folder_lies(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, again = (build_tiny_model(tmp_path / name) for name in ("one", "two"))
    (tmp_path / "three").mkdir()
    other = build_tiny_model(tmp_path / "three", seed=1)
    weights, scale = model_facts(str(first))
    assert (weights, scale) == model_facts(str(again))
    assert weights != model_facts(str(other))[0]
    assert len(weights) == 64
    assert scale == pytest.approx(1 / 0.07, rel=1e-3)  # CLIP's start


def test_the_hash_of_weights_tells_values_and_names_apart(tmp_path):
    folder = build_tiny_model(tmp_path)
    model, _, _ = load_model_folder(folder)
    before = hash_weights(model)
    assert before == hash_weights(load_model_folder(folder)[0])
    with torch.no_grad():
        model.visual.proj[0, 0] += 1e-6
    assert hash_weights(model) != before
    one, two = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    both = torch.nn.ModuleDict({"a": one, "b": two})
    swapped = torch.nn.ModuleDict({"a": two, "b": one})
    assert hash_weights(both) != hash_weights(swapped)


def test_files_are_hashed_before_anything_is_loaded_and_a_model_of_open_clip_is_its_name(tmp_path):
    folder = build_tiny_model(tmp_path)
    files = hash_model_files(f"local-dir:{folder}")
    assert {"open_clip_config.json", "open_clip_model.safetensors"} <= set(files)
    weights = folder / "open_clip_model.safetensors"
    assert hash_model_files(f"ViT-B-32/{weights}") == {"ViT-B-32": files[weights.name]}
    assert hash_model_files("ViT-B-32/openai") == "ViT-B-32/openai"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert hash_model_files(folder)[weights.name] != files[weights.name]
