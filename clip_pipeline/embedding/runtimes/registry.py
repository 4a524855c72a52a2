"""All runtimes by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clip_pipeline.embedding.runtimes.onnx_family import onnx_fp32, onnx_int8
from clip_pipeline.embedding.runtimes.openvino_family import openvino_bf16, openvino_int8
from clip_pipeline.embedding.runtimes.runtime import Place, Runtime
from clip_pipeline.embedding.runtimes.torch_family import cuda_half, torch_bf16, torch_compile, torch_fp32
from clip_pipeline.errors import SettingsError, nearest_name

Maker = Callable[[Any, Place], Runtime]

RUNTIMES: dict[str, Maker] = {
    "torch_fp32": torch_fp32,
    "torch_bf16": torch_bf16,
    "torch_compile": torch_compile,
    "onnx_fp32": onnx_fp32,
    "onnx_int8": onnx_int8,
    "openvino_bf16": openvino_bf16,
    "openvino_int8": openvino_int8,
    "cuda_half": cuda_half,
}
"""Each makes a runtime of a model of open_clip's in evaluation mode, or raises MissingRuntimeError with the reason."""


def make_runtime(name: str, model: Any, place: Place) -> Runtime:
    """The runtime of that name for a model.

    Raises SettingsError for an unknown name, MissingRuntimeError for one that cannot be made here.
    """
    if name not in RUNTIMES:
        raise SettingsError(f'There is no runtime "{name}". {nearest_name(name, RUNTIMES)}')
    return RUNTIMES[name](model, place)
