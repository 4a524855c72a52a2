"""The models there are to train, with their encoders, sizes and costs; and a trained one with what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.models.registry import list_models as names_of_models
from clip_pipeline.models.zoo import ModelFacts, describe_model, known_facts
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.training.options import architecture_of

if TYPE_CHECKING:
    import torch


def list_models(names: Sequence[str | Path] = (), *, settings: Settings = ()) -> list[ModelFacts]:
    """Facts of the named models, of all that come with the package, or of the one that the settings of `training` and `pooling` describe.

    names: of the package, or open_clip configurations (.json files, model folders). settings: such as
    {"training.model": "vit_s_16_112", "training.text_layers": 4}. GFLOPs are of one image or text, forward, a multiply and
    an add counted as two. Those of the package are known; any other is built on torch's meta device and counted. Raises
    ModelError for an unknown or unusable configuration, SettingsError.
    """
    facts = [known_facts(name) or describe_model(name) for name in names or ([] if settings else names_of_models())]
    if settings:
        recipe = recipe_of("", settings)
        facts.append(describe_model(recipe.training.model, architecture_of(recipe.training, recipe.pooling)))
    return facts


def load(
    model: str | Path, device: str = "cpu"
) -> tuple[torch.nn.Module, Callable[[Any], torch.Tensor], Callable[..., torch.Tensor]]:
    """A trained CLIP with what belongs to it: (model, preprocess, tokenizer).

    model: a model folder in open_clip's format, as `train` writes it, or a name that open_clip knows, such
    as ViT-B-32/laion2b_s34b_b79k, ViT-B-32/epoch_10.pt or hf-hub:OWNER/NAME. device: cpu, cuda, mps or auto.
    preprocess: PIL image -> (3, size, size) float32 tensor. tokenizer: texts -> (N, length) int64 ids. The model has open_clip's
    `encode_image` and `encode_text`, which give (N, D). Raises ModelError when the folder is incomplete, or the
    weights are not here and cannot be downloaded, SettingsError for an unknown device.
    """
    from clip_pipeline.machine.device import choose_device
    from clip_pipeline.models.folder import open_model

    return open_model(model, choose_device(device))
