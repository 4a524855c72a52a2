"""The text encoder as an ONNX graph, for programs elsewhere: token ids to vectors, one shape whatever the texts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.runtimes.onnx_graph import OPSET, OUTPUT, ROWS, needs_package, slow_attention
from clip_pipeline.errors import MissingRuntimeError

TOKENS = "tokens"
"""The name of the input."""


def export_text_encoder(model: Any, path: Path) -> None:
    """Writes the graph: `tokens` (rows, context length) int64 to `embedding` (rows, D) float32, any number of rows, not of unit length.

    An encoder that pools its tokens has as many segments in it as any text may have: its vectors are those of torch, its time does not follow
    the length of a text. Raises MissingRuntimeError without the package onnx, or for a model that cannot be exported.
    """
    import torch

    needs_package("onnx", "The export of a text encoder")

    class TextEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens_NL: torch.Tensor) -> torch.Tensor:
            return self.model.encode_text(tokens_NL)

    tokens = torch.ones(2, model.context_length, dtype=torch.long, device=next(model.parameters()).device)
    tokens[:, -1] = model.vocab_size - 1  # a text that fills its row
    try:
        with slow_attention(), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the older exporter: the newer needs onnxscript
            torch.onnx.export(
                TextEncoder().eval(), (tokens,), str(path), input_names=[TOKENS], output_names=[OUTPUT],
                dynamic_axes={TOKENS: {0: ROWS}, OUTPUT: {0: ROWS}}, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except (RuntimeError, ValueError, TypeError) as error:  # torch.onnx's own errors are RuntimeErrors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise MissingRuntimeError(f"This text encoder cannot be exported to ONNX ({reason}).") from error
