"""The settings `embedding`: how embeddings are computed."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class EmbeddingSettings(CheckedSettings):
    """How embeddings are computed."""

    batch_size: int = setting(256, "Photos or texts at a time.", low=1, speed=True)
    dtype: str = setting(
        "float16",
        "Numbers of the stored vectors: float16, or float32 of twice the size.",
        choices=("float16", "float32"),
    )
    unit_length: bool = setting(True, "Store vectors at length 1; off stores them as the model gives them.")
    runtime: str = setting(
        "torch_fp32",
        "What runs the image encoder: a name, or auto for the fastest on this machine whose vectors agree with fp32, measured "
        "when the model is first used.",
        choices=(
            *("auto", "torch_fp32", "torch_bf16", "torch_compile"),
            *("onnx_fp32", "onnx_int8", "openvino_bf16", "openvino_int8", "cuda_half"),
        ),
    )
    min_photos: int = setting(
        5000,
        "Photos to embed from which on auto measures; fewer are embedded by torch_fp32 before a measurement would end.",
        low=0,
    )
