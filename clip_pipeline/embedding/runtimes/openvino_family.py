"""OpenVINO on the CPU, allowed to compute in bfloat16."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.embedding.runtimes.onnx_graph import exported_graph, needs_package
from clip_pipeline.embedding.runtimes.runtime import Place, Runtime
from clip_pipeline.errors import MissingRuntimeError

if TYPE_CHECKING:
    import numpy as np
    import torch

NAME = "openvino_bf16"


class OpenVinoRuntime:
    """An exported graph, compiled by OpenVINO when it is opened."""

    def __init__(self, name: str, graph: Path, threads: int, precision: str = "bf16"):
        """precision: a hint; OpenVINO computes in fp32 where the processor has no bfloat16."""
        import openvino

        self.name = name
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled = openvino.Core().compile_model(str(graph), "CPU", settings)

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        import numpy as np

        # a copy: the memory that OpenVINO gives is written again by the next call
        return np.array(self._compiled(pixels_NCHW.contiguous().numpy())[0], dtype=np.float32)


def openvino_bf16(model: Any, place: Place) -> Runtime:
    """Raises MissingRuntimeError without the package, off the CPU, or for a model that cannot be exported."""
    needs_package("openvino", NAME)
    if place.device != "cpu":
        raise MissingRuntimeError(f"{NAME} runs on the CPU, and this runs on {place.device}. Set compute.device=cpu.")
    return OpenVinoRuntime(NAME, exported_graph(model, place.cache, NAME), place.thread_count)
