from __future__ import annotations

import inspect
import subprocess
import sys
import typing

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import clip_pipeline
from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.sources.web.request_ledger import BudgetState
from clip_pipeline_tests.made.tiny_model import build_tiny_model

TYPES_FOR_CHECKERS = {"torch": torch, "pd": pd, "Hosts": dict, "BudgetState": BudgetState}
"""What the verbs import for types alone."""


VERBS = (
    *(
        "count_words",
        "download",
        "download_dataset",
        "train_tokenizer",
        "list_models",
        "train",
        "launch",
        "compare_trainings",
    ),
    *("load", "embed", "evaluate", "probe", "classify", "compare_scores", "adapt", "compare_language_models"),
    "search",
    *("run", "status", "plan", "take_down", "read_table", "verify", "request_budgets", "forget_answers"),
    *("add_variant", "list_variants", "remove_variant", "add_dataset", "remove_dataset"),
)


def test_the_public_surface_is_what_all_says():
    assert clip_pipeline.__all__ == sorted(["__version__", *VERBS])
    assert set(clip_pipeline.__all__) <= set(dir(clip_pipeline))
    assert clip_pipeline.__version__ == "0.2.0"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_typed_function_that_says_what_it_gives_and_raises(verb):
    function = getattr(clip_pipeline, verb)
    assert function.__name__ == verb
    hints = typing.get_type_hints(function, function.__globals__ | TYPES_FOR_CHECKERS)
    assert "return" in hints and set(inspect.signature(function).parameters) <= hints.keys()
    assert "Raises" in function.__doc__


def test_a_name_that_there_is_not_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'emdeb'"):
        clip_pipeline.emdeb  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'torch', 'open_clip', 'timm', 'matplotlib', 'transformers', 'numpy', 'pandas', 'dagster'}"
    code = f"import sys, clip_pipeline; print(sorted(set(sys.modules) & {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.slow
def test_importing_embedding_and_evaluation_imports_no_torch():
    code = """
import importlib, pkgutil, sys, clip_pipeline.embedding as e, clip_pipeline.evaluation as v
for package in (e, v):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(sorted(set(sys.modules) & {"torch", "open_clip", "timm", "matplotlib", "transformers"}))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_load_gives_a_model_with_what_belongs_to_it(tmp_path):
    model, preprocess, tokenizer = clip_pipeline.load(build_tiny_model(tmp_path))
    with torch.no_grad():
        image = model.encode_image(preprocess(Image.new("RGB", (30, 20), "red")).unsqueeze(0), normalize=True)
        texts = model.encode_text(tokenizer(["a red cup", "a blue ball"]), normalize=True)
    assert image.shape == (1, 32)
    assert texts.shape == (2, 32)
    np.testing.assert_allclose(texts.norm(dim=1).numpy(), 1, atol=1e-6)


def test_a_folder_that_is_no_model_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"holds no open_clip_config.json"):
        clip_pipeline.load(tmp_path)


def test_an_unknown_device_is_told_with_the_nearest_name(tmp_path):
    with pytest.raises(SettingsError, match='There is no device "cuba". Did you mean "cuda"'):
        clip_pipeline.load(tmp_path, device="cuba")
