"""The configuration of a model in other sizes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import SettingsError

HEAD_WIDTH = 64
"""Of open_clip's image encoders whose configuration names none."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a CLIP; 0 is as its configuration says. embedding_size: numbers in an embedding. context_length: tokens."""

    vision_layers: int = 0
    vision_width: int = 0
    text_layers: int = 0
    text_width: int = 0
    embedding_size: int = 0
    context_length: int = 0


def resized_config(config: dict[str, Any], model: str, sizes: Sizes) -> dict[str, Any]:
    """The configuration in those sizes. model: its name, for the sentences.

    Heads keep their width, so a wider encoder has more of them; MLPs keep their ratio. Raises SettingsError for a size that its
    encoders cannot have.
    """
    config = copy.deepcopy(config)
    if sizes.embedding_size:
        config["embed_dim"] = sizes.embedding_size
    if sizes.context_length:
        config["text_cfg"]["context_length"] = sizes.context_length
    if sizes.vision_layers or sizes.vision_width:
        _resize_image_encoder(config["vision_cfg"], model, sizes.vision_layers, sizes.vision_width)
    if sizes.text_layers or sizes.text_width:
        _resize_text_encoder(config["text_cfg"], model, sizes.text_layers, sizes.text_width)
    return config


def _resize_image_encoder(vision: dict[str, Any], model: str, layers: int, width: int) -> None:
    _check_own_encoder("image", vision.get("timm_model_name"), model)
    is_resnet = isinstance(vision.get("layers", 12), list)
    if layers:
        if is_resnet:
            raise SettingsError(
                f"training.vision_layers is {layers}, but the image encoder of {model} is a ResNet, "
                f"whose stages have {vision['layers']} blocks. Set it to 0, or choose a ViT."
            )
        vision["layers"] = layers
    if width:
        head = int(vision.get("head_width", HEAD_WIDTH))
        # a ResNet's last stage, which attention pools, is 32 times as wide as its first
        _check_width("vision_width", width, max(1, head // 32) if is_resnet else head, model)
        vision["width"] = width


def _resize_text_encoder(text: dict[str, Any], model: str, layers: int, width: int) -> None:
    _check_own_encoder("text", text.get("hf_model_name"), model)
    if layers:
        text["layers"] = layers
    if width:
        head = text.get("width", 512) // text.get("heads", 8)
        _check_width("text_width", width, head, model)
        text.update(width=width, heads=width // head)


def _check_own_encoder(encoder: str, elsewhere: str | None, model: str) -> None:
    if elsewhere:
        prefix = "vision" if encoder == "image" else encoder
        raise SettingsError(
            f"The {encoder} encoder of {model} is {elsewhere}, whose sizes cannot be set. Set training.{prefix}_layers "
            f"and training.{prefix}_width to 0."
        )


def _check_width(name: str, width: int, head: int, model: str) -> None:
    if width % head:
        below = width // head * head
        near = f"{below} or {below + head}" if below else f"{head}"
        raise SettingsError(
            f"training.{name} is {width}, which the heads of {model}, {head} wide, do not divide. Set it to {near}."
        )
