"""ONNX Runtime on the CPU: fp32, and int8 with dynamic quantisation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.embedding.runtimes.onnx_graph import INPUT, ROWS, exported_graph, needs_package, quantised_graph
from clip_pipeline.embedding.runtimes.runtime import Place, Runtime
from clip_pipeline.errors import MissingRuntimeError

if TYPE_CHECKING:
    import numpy as np
    import torch

ROWS_FP32 = 8
ROWS_INT8 = 1
"""One photo a call: the scale of the 8-bit activations is taken over all that a call is given, so a photo's vector would
depend on the photos beside it. Batches of 16 would be a seventh faster (2026-11-21, ViT-B/32)."""


class OnnxRuntime:
    """A graph, run by several threads, each with a piece of the batch of its own: the threads change no bit."""

    def __init__(self, name: str, graph: Path, rows: int, threads: int):
        """rows: photos a call."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a call is done by the thread that makes it
        options.log_severity_level = 3
        if rows == 1:  # all shapes are then known, and what computes them falls away
            options.add_free_dimension_override_by_name(ROWS, 1)
        self.name, self._rows = name, rows
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        import numpy as np

        pixels = pixels_NCHW.numpy()
        pieces = [pixels[start : start + self._rows] for start in range(0, len(pixels), self._rows)]
        return np.concatenate(list(self._threads.map(self._run, pieces)))

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        return self._session.run(None, {INPUT: pixels})[0]


def _check(name: str, place: Place) -> None:
    needs_package("onnxruntime", name)
    if place.device != "cpu":
        raise MissingRuntimeError(f"{name} runs on the CPU, and this runs on {place.device}. Set compute.device=cpu.")


def onnx_fp32(model: Any, place: Place) -> Runtime:
    """The exported graph in fp32. Raises MissingRuntimeError without the package, off the CPU, or for a model that
    cannot be exported."""
    _check("onnx_fp32", place)
    return OnnxRuntime("onnx_fp32", exported_graph(model, place.cache, "onnx_fp32"), ROWS_FP32, place.thread_count)


def onnx_int8(model: Any, place: Place) -> Runtime:
    """Matrix products in int8. Raises MissingRuntimeError as `onnx_fp32`."""
    _check("onnx_int8", place)
    return OnnxRuntime("onnx_int8", quantised_graph(model, place.cache, "onnx_int8"), ROWS_INT8, place.thread_count)
