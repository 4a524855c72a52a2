"""OpenVINO on the CPU: allowed to compute in bfloat16, and with matrix products in int8."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.embedding.runtimes.onnx_graph import exported_graph, needs_package
from clip_pipeline.embedding.runtimes.runtime import Place, Runtime
from clip_pipeline.errors import MissingRuntimeError

if TYPE_CHECKING:
    import numpy as np
    import torch

MAX_INT8 = 127
PHOTOS_A_CALL = 32
"""Of products in int8: a call of another size may take another kernel, whose sums round otherwise (on a processor with AMX from five
photos of a tiny encoder on, 2026-12-01), and a photo's vector would depend on how many others are beside it."""


class OpenVinoRuntime:
    """An exported graph, compiled by OpenVINO when it is opened."""

    def __init__(self, name: str, graph: Any, threads: int, group: int = 0, photos_a_call: int = 0):
        """graph: a file, or OpenVINO's own model. group: numbers of a row of activations that share a scale in products with int8
        weights; 0 leaves them as they are. photos_a_call: every call has this many, filled up with blank ones; 0 takes what comes."""
        self.name, self._photos_a_call = name, photos_a_call
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16",  # where the processor has no bfloat16, fp32
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
        }
        self._compiled = _core().compile_model(graph, "CPU", settings)

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        import numpy as np

        pixels = pixels_NCHW.contiguous().numpy()
        size = self._photos_a_call
        if not size:
            return self._encode(pixels)
        blank = np.zeros((-len(pixels) % size, *pixels.shape[1:]), np.float32)
        whole = np.concatenate([pixels, blank]) if len(blank) else pixels
        calls = [self._encode(whole[start : start + size]) for start in range(0, len(whole), size)]
        return np.concatenate(calls)[: len(pixels)]

    def _encode(self, pixels_NCHW: np.ndarray) -> np.ndarray:
        import numpy as np

        # a copy: the memory that OpenVINO gives is written again by the next call
        return np.array(self._compiled(pixels_NCHW)[0], dtype=np.float32)


@functools.cache
def _core() -> Any:
    """One for the process, which stays. Each core gives the thread that makes it a stack for signals on a processor with AMX; where an
    older one ends after a younger, that stack's memory is gone (2026.4.1), and Ctrl-C is a segmentation fault."""
    import openvino

    return openvino.Core()


def _graph(name: str, model: Any, place: Place) -> Path:
    needs_package("openvino", name)
    if place.device != "cpu":
        raise MissingRuntimeError(f"{name} runs on the CPU, and this runs on {place.device}. Set compute.device=cpu.")
    return exported_graph(model, place.cache, name)


def openvino_bf16(model: Any, place: Place) -> Runtime:
    """Raises MissingRuntimeError without the package, off the CPU, or for a model that cannot be exported."""
    return OpenVinoRuntime("openvino_bf16", str(_graph("openvino_bf16", model, place)), place.thread_count)


def openvino_int8(model: Any, place: Place) -> Runtime:
    """Matrix products in int8; every token of every photo has a scale of its own, so a photo does not depend on its neighbours.

    Raises MissingRuntimeError as `openvino_bf16`, and where the encoder has no matrix products.
    """
    path = _graph("openvino_int8", model, place)
    graph = _core().read_model(path)
    width = round_weights(graph)
    if not width:
        raise MissingRuntimeError("openvino_int8: the image encoder has no matrix products, so nothing would be int8.")
    return OpenVinoRuntime("openvino_int8", graph, place.thread_count, width, PHOTOS_A_CALL)


def round_weights(graph: Any) -> int:
    """Makes the weights of a graph's matrix products int8, with a scale a column; returns the group size for their activations.

    That is the number of rows of most of them, a ViT's width: a token's whole row shares a scale. Products whose rows are no
    multiple of it stay as they are; 0 where there are none at all.
    """
    import numpy as np
    from openvino import opset13

    products = [
        node for node in graph.get_ordered_ops() if node.get_type_name() == "MatMul" and _weights(node) is not None
    ]
    rows = Counter(_rows(node) for node in products)
    if not rows:
        return 0
    width = rows.most_common(1)[0][0]
    for node in products:
        if _rows(node) % width:
            continue
        weights_RC = np.asarray(_weights(node).data, dtype=np.float32)
        weights_CR = weights_RC if node.get_attributes()["transpose_b"] else weights_RC.T
        scales_C1 = np.maximum(np.abs(weights_CR).max(axis=1, keepdims=True) / MAX_INT8, np.finfo(np.float32).tiny)
        rounded = opset13.constant(np.round(weights_CR / scales_C1).astype(np.int8))
        product = opset13.matmul(
            node.input_value(0),
            opset13.multiply(opset13.convert(rounded, "f32"), opset13.constant(scales_C1)),
            node.get_attributes()["transpose_a"],
            True,
        )
        for reader in list(node.output(0).get_target_inputs()):
            reader.replace_source_output(product.output(0))
    graph.validate_nodes_and_infer_types()
    return width


def _weights(product: Any) -> Any:
    """The constant matrix of a product, (rows, columns) or transposed; None where both sides are computed."""
    source = product.input_value(1).get_node()
    return source if source.get_type_name() == "Constant" and len(source.shape) == 2 else None


def _rows(product: Any) -> int:
    """Numbers of a row of activations that a product with constant weights adds up."""
    return int(_weights(product).shape[1 if product.get_attributes()["transpose_b"] else 0])
