"""The image encoder as an ONNX graph: exported once for its weights, and its int8 form."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.embedding.runtimes.export_rewrites import export_rewrites
from clip_pipeline.embedding.runtimes.runtime import image_side
from clip_pipeline.errors import MissingRuntimeError
from clip_pipeline.machine.int8_products import sums_bytes_whole
from clip_pipeline.storage.cache import cached_folder
from clip_pipeline.storage.disk import hash_json

logger = logging.getLogger(__name__)

EXPORT_VERSION = "2"
"""Raise it when the code here writes another graph for the same weights."""

OPSET = 17
GRAPH_FILE, INPUT, OUTPUT = "graph.onnx", "pixels", "embedding"
ROWS = "rows"
"""The name of the number of images, which a call is free to choose."""
KEPT_GRAPHS = 4


def exported_graph(model: Any, cache: Path, runtime: str) -> Path:
    """`graph.onnx` of the model's image encoder, fp32, any number of rows; made unless the cache has it.

    runtime: who asks, for the message. Raises MissingRuntimeError without the package onnx, or for a model that cannot
    be exported.
    """
    needs_package("onnx", runtime)
    identity = hash_json([EXPORT_VERSION, OPSET, _version("torch"), hash_encoder(model)])
    return cached_folder(cache, "onnx_fp32", identity, lambda folder: _export(model, folder, runtime), KEPT_GRAPHS) / (
        GRAPH_FILE
    )


def quantised_graph(model: Any, cache: Path, runtime: str) -> Path:
    """The same with int8 weights a channel; activations are measured and rounded to 8 bits as they come.

    On a processor that cuts large sums of bytes the weights have seven bits, whose sums it never cuts: with eight, the worst cosine of a
    tiny model was 0.9975 there (an AMD EPYC with AVX2 alone, 2026-12-01).
    """
    needs_package("onnxruntime", runtime)
    needs_package("onnx", runtime)
    seven_bits = not sums_bytes_whole()
    versions = [EXPORT_VERSION, OPSET, _version("torch"), _version("onnxruntime"), seven_bits]
    identity = hash_json([*versions, hash_encoder(model)])

    def build(folder: Path) -> None:
        _quantise(exported_graph(model, cache, runtime), folder / GRAPH_FILE, seven_bits)

    return cached_folder(cache, "onnx_int8", identity, build, KEPT_GRAPHS) / GRAPH_FILE


def needs_package(name: str, runtime: str) -> None:
    """Raises MissingRuntimeError where a package is not installed, and says what installs it."""
    if importlib.util.find_spec(name) is None:
        extra = "openvino" if runtime.startswith("openvino") else "onnx"
        raise MissingRuntimeError(
            f"{runtime} needs the package {name}, which is not installed. Run: pip install 'clip_pipeline[{extra}]'"
        )


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def hash_encoder(model: Any) -> str:
    """sha256 of the image encoder: its weights, and the plain attributes of its parts, such as the number of heads."""
    digest = hashlib.sha256()
    for name, part in model.visual.named_modules():
        plain = {key: value for key, value in vars(part).items() if _is_plain(value) and key != "training"}
        digest.update(repr((name, type(part).__name__, sorted(plain.items()))).encode())
    for name, tensor in sorted(model.visual.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(dtype=_bytes()).numpy())
    return digest.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _export(model: Any, folder: Path, runtime: str) -> None:
    import torch

    class ImageEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
            return self.model.encode_image(pixels_NCHW)

    side = image_side(model)
    pixels = torch.zeros(2, 3, side, side, device=next(model.parameters()).device)
    rows = {INPUT: {0: ROWS}, OUTPUT: {0: ROWS}}
    logger.info("Exporting the image encoder to ONNX, once for these weights")
    try:
        with slow_attention(), export_rewrites(model), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter(
                "ignore"
            )  # torch tells that this exporter is the older one: the newer needs onnxscript
            torch.onnx.export(
                ImageEncoder().eval(), (pixels,), str(folder / GRAPH_FILE), input_names=[INPUT], output_names=[OUTPUT],
                dynamic_axes=rows, opset_version=OPSET, dynamo=False,
            )  # fmt: skip
    except (RuntimeError, ValueError, TypeError) as error:  # torch.onnx's own errors are RuntimeErrors
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise MissingRuntimeError(f"{runtime}: this model cannot be exported to ONNX ({reason}).") from error


@contextlib.contextmanager
def slow_attention() -> Iterator[None]:
    """torch's fused attention cannot be exported; it is as it was afterwards."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _quantise(source: Path, target: Path, seven_bits: bool) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises a pre-processing that changes nothing here, on the root logger
    try:
        quantize_dynamic(
            source, target, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8, per_channel=True,
            reduce_range=seven_bits,
            extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip
    finally:
        root.setLevel(level)
