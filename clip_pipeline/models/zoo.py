"""What there is to choose from: every model with its encoders, size and cost, measured on the model itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.display.text_table import markdown_table
from clip_pipeline.errors import ModelError
from clip_pipeline.models.form import any_config
from clip_pipeline.models.pooled_image_encoder import pooling_of
from clip_pipeline.models.registry import (
    ClipModel,
    build_model,
    context_length_of,
    image_size_of,
    list_models,
    load_config,
)
from clip_pipeline.models.takes_images import check_takes_images
from clip_pipeline.models.text_pooling import TOKENIZER, text_pooling_of
from clip_pipeline.storage.disk import hash_json

FACTS_FILE = Path(__file__).parent / "known_facts.json"
"""The facts of the package's models, so that a list of them need not load torch and build them all: 0.3 s instead of 14."""

COUNTED_ROWS = 2
"""Batch normalisation refuses a batch of one image of one pixel, which is what the last stage of a small ResNet sees."""


@dataclass(frozen=True)
class ModelFacts:
    """One model. image_size: pixels of a side, or (height, width). context_length: tokens. GFLOPs are of one image or one text, forward
    only, a multiply and an add counted as two (open_clip's own tables count them as one)."""

    name: str
    image_encoder: str
    text_encoder: str
    image_size: int | tuple[int, int]
    context_length: int
    embedding: int
    parameters: int
    image_parameters: int
    image_gflops: float
    text_gflops: float


def describe_model(name_or_path: str | Path, config: dict[str, Any] | None = None) -> ModelFacts:
    """The facts of one configuration, counted on open_clip's model on torch's meta device: no memory, no weights.

    name_or_path: as of `form.any_config`. config: the configuration to describe under that name, where it is not the
    model's own. Raises ModelError for an unknown or unusable configuration.
    """
    import torch

    config = any_config(name_or_path) if config is None else config
    (height, width), length = image_size_of(config), context_length_of(config)
    # a text encoder of transformers looks at values, of which there are none on the meta device
    with torch.device("cpu" if config["text_cfg"].get("hf_model_name") else "meta"):
        model = build_model(config).requires_grad_(False)
        images = torch.zeros(COUNTED_ROWS, 3, height, width)
        texts = torch.zeros(COUNTED_ROWS, length, dtype=torch.long)
    check_takes_images(model, config, str(name_or_path))
    return ModelFacts(
        name=Path(name_or_path).stem if str(name_or_path).endswith(".json") else str(name_or_path),
        image_encoder=_image_encoder(model, config["vision_cfg"]),
        text_encoder=_text_encoder(config["text_cfg"]),
        image_size=height if height == width else (height, width),
        context_length=length,
        embedding=config["embed_dim"],
        parameters=sum(p.numel() for p in model.parameters()),
        image_parameters=sum(p.numel() for p in model.visual.parameters()),
        image_gflops=_count_gflops(model.encode_image, images),
        text_gflops=_count_gflops(model.encode_text, texts),
    )


def _count_gflops(encode: Any, rows: Any) -> float:
    """GFLOPs a row. In training mode: evaluation fuses the attention into one operation that no counter looks into."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            encode(rows)
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        raise ModelError(f"The model cannot take a step: {error} Check the sizes of its configuration.") from error
    return counter.get_total_flops() / len(rows) / 1e9


def _image_encoder(model: ClipModel, vision: dict[str, Any]) -> str:
    if vision.get("timm_model_name"):
        return str(vision["timm_model_name"])
    layers, width = vision.get("layers", 12), vision.get("width", 768)
    if isinstance(layers, list):
        return f"ResNet {'-'.join(map(str, layers))}, width {width}"
    mlp = model.visual.transformer.resblocks[0].mlp.c_fc.out_features
    heads = width // vision.get("head_width", 64)
    pooling = pooling_of(model)
    pooled = (
        f", {pooling.rows * pooling.columns} tokens → {pooling.segments} after layer {pooling.after_layer} ({pooling.kind})"
        if pooling
        else ""
    )
    return f"ViT {layers} × {width}, {heads} heads, MLP {mlp}, patch {vision.get('patch_size', 16)}{pooled}"


def _text_encoder(text: dict[str, Any]) -> str:
    if text.get("hf_model_name"):
        return str(text["hf_model_name"])
    width = text.get("width", 512)
    mlp = int(width * text.get("mlp_ratio", 4.0))
    plain = f"{text.get('layers', 12)} × {width}, {text.get('heads', 8)} heads, MLP {mlp}"
    pooling = text_pooling_of(text, "text_cfg")
    if pooling is None:
        return plain
    of = pooling.kind if pooling.tokens == TOKENIZER else f"{pooling.kind} of {pooling.tokens}"
    return f"{plain}, at most {pooling.segments} segments ({of})"


def _size_text(size: int | tuple[int, int]) -> str:
    return f"{size}" if isinstance(size, int) else f"{size[0]}×{size[1]}"


def known_facts(name: str | Path) -> ModelFacts | None:
    """The facts of a model of the package as they were counted; None for any other, and for one whose configuration changed."""
    entry = json.loads(FACTS_FILE.read_text(encoding="utf-8")).get(str(name))
    if entry is None or entry["config"] != hash_json(load_config(name)):
        return None
    return ModelFacts(**entry["facts"])


def counted_facts() -> str:
    """The text of known_facts.json, counted anew on all models of the package: after a change, write it to FACTS_FILE."""
    facts = {
        name: {"config": hash_json(load_config(name)), "facts": asdict(describe_model(name))} for name in list_models()
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def zoo_table(models: Iterable[ModelFacts]) -> str:
    """The models as a Markdown table, the cheapest first."""
    facts = sorted(models, key=lambda fact: (fact.image_gflops, fact.name))
    header = (
        "model",
        "px",
        "image encoder",
        "text encoder",
        "tokens",
        "embedding",
        "parameters",
        "GFLOPs image",
        "text",
    )
    rows = [
        (
            *(fact.name, _size_text(fact.image_size), fact.image_encoder, fact.text_encoder),
            *(f"{fact.context_length}", f"{fact.embedding}", f"{fact.parameters / 1e6:.2f} M"),
            *(f"{fact.image_gflops:.3g}", f"{fact.text_gflops:.3g}"),
        )
        for fact in facts
    ]
    return markdown_table(rows, header, right=(1, 4, 5, 6, 7, 8))
