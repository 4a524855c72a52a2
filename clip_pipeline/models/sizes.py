"""The configuration that a training uses: a named one, with the sizes that the settings change."""

from __future__ import annotations

import copy
from typing import Any

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.registry import load_config
from clip_pipeline.settings import TrainingSettings

HEAD_WIDTH = 64
"""Of open_clip's image encoders whose configuration names none."""


def config_of(settings: TrainingSettings) -> dict[str, Any]:
    """The configuration of `settings.model` with the sizes of the settings that are not 0.

    Heads keep their width, so a wider encoder has more of them; MLPs keep their ratio. Raises ModelError for an unknown
    model, SettingsError for a size that its encoders cannot have.
    """
    config = copy.deepcopy(load_config(settings.model))
    if settings.embedding_size:
        config["embed_dim"] = settings.embedding_size
    if settings.context_length:
        config["text_cfg"]["context_length"] = settings.context_length
    if settings.vision_layers or settings.vision_width:
        _resize_image_encoder(config["vision_cfg"], settings)
    if settings.text_layers or settings.text_width:
        _resize_text_encoder(config["text_cfg"], settings)
    return config


def _resize_image_encoder(vision: dict[str, Any], settings: TrainingSettings) -> None:
    _check_own_encoder("image", vision.get("timm_model_name"), settings)
    is_resnet = isinstance(vision.get("layers", 12), list)
    if settings.vision_layers:
        if is_resnet:
            raise SettingsError(
                f"training.vision_layers is {settings.vision_layers}, but the image encoder of {settings.model} is a ResNet, "
                f"whose stages have {vision['layers']} blocks. Set it to 0, or choose a ViT."
            )
        vision["layers"] = settings.vision_layers
    if settings.vision_width:
        head = int(vision.get("head_width", HEAD_WIDTH))
        # a ResNet's last stage, which attention pools, is 32 times as wide as its first
        _check_width("vision_width", settings.vision_width, max(1, head // 32) if is_resnet else head, settings)
        vision["width"] = settings.vision_width


def _resize_text_encoder(text: dict[str, Any], settings: TrainingSettings) -> None:
    _check_own_encoder("text", text.get("hf_model_name"), settings)
    if settings.text_layers:
        text["layers"] = settings.text_layers
    if settings.text_width:
        head = text.get("width", 512) // text.get("heads", 8)
        _check_width("text_width", settings.text_width, head, settings)
        text.update(width=settings.text_width, heads=settings.text_width // head)


def _check_own_encoder(encoder: str, elsewhere: str | None, settings: TrainingSettings) -> None:
    if elsewhere:
        raise SettingsError(
            f"The {encoder} encoder of {settings.model} is {elsewhere}, whose sizes cannot be set. Set training.{encoder}_layers "
            f"and training.{encoder}_width to 0."
        )


def _check_width(name: str, width: int, head: int, settings: TrainingSettings) -> None:
    if width % head:
        below = width // head * head
        near = f"{below} or {below + head}" if below else f"{head}"
        raise SettingsError(
            f"training.{name} is {width}, which the heads of {settings.model}, {head} wide, do not divide. Set it to {near}."
        )
