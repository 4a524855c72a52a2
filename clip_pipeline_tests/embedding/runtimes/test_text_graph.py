"""A text encoder as an ONNX graph: the vectors of torch, whatever the texts and their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clip_pipeline.embedding.runtimes.text_graph import export_text_encoder
from clip_pipeline.models.registry import build_model, load_config
from clip_pipeline_tests.models.test_pooled_text_encoder import (
    OF_BYTES,
    OF_TOKENS,
    TEXTS,
    ids,
    made,
    rows_of_a_tokenizer,
)

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def run(path: Path, tokens: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"tokens": tokens.numpy()})[0]


def compared(model: Any, tokens: torch.Tensor, path: Path) -> None:
    export_text_encoder(model, path)
    with torch.no_grad():
        expected = model.encode_text(tokens).numpy()
    found = run(path, tokens)
    assert np.abs(found - expected).max() < 1e-4
    for row in (0, 5, len(tokens) - 1):
        assert np.abs(run(path, tokens[row : row + 1])[0] - found[row]).max() < 1e-5, "alone"


@pytest.mark.parametrize("kind", OF_BYTES)
def test_an_encoder_of_bytes_gives_the_vectors_of_torch_alone_and_among_64(kind, tmp_path):
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS[:8]]
    compared(made(OF_BYTES[kind]), ids(texts), tmp_path / "text.onnx")


@pytest.mark.parametrize("kind", OF_TOKENS)
def test_so_does_one_of_a_tokenizers_tokens(kind, tmp_path):
    compared(made(OF_TOKENS[kind], 300), rows_of_a_tokenizer(), tmp_path / "text.onnx")


def test_so_does_a_plain_one(tmp_path):
    torch.manual_seed(0)
    tokens = torch.randint(1, 299, (8, 12))
    tokens[:, 9] = 299
    compared(build_model(load_config("tiny_test")).eval(), tokens, tmp_path / "text.onnx")
