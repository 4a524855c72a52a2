"""The model as the settings want it before the first step: its start, what is frozen, how it is computed."""

from __future__ import annotations

import copy
import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.folder import CONFIG_FILE, WEIGHTS_FILE, preprocess_config
from clip_pipeline.models.registry import ClipModel, build_model
from clip_pipeline.models.sizes import config_of
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.storage.disk import hash_file
from clip_pipeline.training.model.attention import lighten_attention
from clip_pipeline.training.model.text_encoder import prepare_text_encoder
from clip_pipeline.training.objective.loss import SIGMOID_BIAS, SIGMOID_TEMPERATURE

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

NAMES_SHOWN = 4
TOKEN_TABLES = ("token_embedding.weight", "text.token_embedding.weight")


def with_loss(config: dict[str, Any], settings: TrainingSettings) -> dict[str, Any]:
    """The configuration with what the loss needs: a bias for the sigmoid, as open_clip's own SigLIP models have it, and none for the softmax."""
    if settings.loss != "sigmoid":
        start_of_sigmoid = ("init_logit_scale", "init_logit_bias") if "init_logit_bias" in config else ()
        return {key: value for key, value in config.items() if key not in start_of_sigmoid}
    return config | {"init_logit_scale": math.log(1 / SIGMOID_TEMPERATURE), "init_logit_bias": SIGMOID_BIAS}


def initial_preprocess(config: dict[str, Any], settings: TrainingSettings) -> dict[str, Any]:
    """How images are prepared: as the model that is gone on from was used to, or as `preprocess_config` says."""
    wanted = preprocess_config(config)
    if settings.init_from:
        path = Path(settings.init_from) / CONFIG_FILE
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelError(f"training.init_from: {path} does not exist. Give a model folder.") from None
        except ValueError as error:
            raise ModelError(f"training.init_from: {path} is no JSON: {error}.") from error
        wanted |= {key: value for key, value in stored.get("preprocess_cfg", {}).items() if key in ("mean", "std")}
        wanted["resize_mode"] = stored.get("preprocess_cfg", {}).get("resize_mode", wanted["resize_mode"])
    return wanted


def make_model(config: dict[str, Any], settings: TrainingSettings, device: str) -> ClipModel:
    """The model on its device, ready for the first step.

    config: with the tokenizer's and the loss's entries. Raises SettingsError for what this kind of model cannot do,
    ModelError when the weights of `init_from` do not fit.
    """
    import torch

    arguments = copy.deepcopy(config)
    if settings.patch_dropout:
        _check_that_patches_can_be_left_out(config, settings)
        arguments["vision_cfg"]["patch_dropout"] = settings.patch_dropout
    model = build_model(arguments)
    if settings.temperature:
        torch.nn.init.constant_(model.logit_scale, math.log(1 / settings.temperature))
    if settings.init_from:
        load_start(model, Path(settings.init_from), settings)
    prepare_text_encoder(model, settings.text_encoder, settings.model)
    freeze_encoder(model, settings)
    model = model.to(device)
    model.visual.to(memory_format=torch.channels_last)
    if settings.gradient_checkpointing:
        from open_clip.modified_resnet import ModifiedResNet

        model.set_grad_checkpointing(True)
        if isinstance(model.visual, ModifiedResNet):
            logger.warning(
                "training.gradient_checkpointing helps the text encoder only: CLIP's ResNet knows nothing of it"
            )
    if settings.compile:
        compile_encoders(model)
    elif device == "cpu":
        lighten_attention(model)
    return model


def is_vision_transformer(config: dict[str, Any]) -> bool:
    """Whether the image encoder is open_clip's own ViT."""
    return isinstance(config["vision_cfg"].get("layers", 12), int) and not config["vision_cfg"].get("timm_model_name")


def _check_that_patches_can_be_left_out(config: dict[str, Any], settings: TrainingSettings) -> None:
    if not is_vision_transformer(config):
        raise SettingsError(
            f"training.patch_dropout is {settings.patch_dropout:g}, but the image encoder of {settings.model} is no vision "
            "transformer and has no patches to leave out. Set it to 0 or choose a ViT."
        )


def hash_start(settings: TrainingSettings) -> dict[str, str]:
    """sha256 of the weights that are gone on from; empty for a training from scratch."""
    path = Path(settings.init_from) / WEIGHTS_FILE
    return {"init_from": hash_file(path)} if settings.init_from and path.is_file() else {}


def check_start(settings: TrainingSettings) -> None:
    """A quick look, before anything is built, at the model that the training asks for and the folder that it goes on from.

    Raises ModelError for an unknown model, or a folder without a configuration or weights; SettingsError for its sizes.
    """
    initial_preprocess(config_of(settings), settings)
    if settings.init_from:
        _check_weights_there(Path(settings.init_from))


def _check_weights_there(folder: Path) -> Path:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(
            f"training.init_from: {folder} holds no {WEIGHTS_FILE}. Give a model folder of open_clip's form."
        )
    return path


def load_start(model: ClipModel, folder: Path, settings: TrainingSettings) -> None:
    """Puts the weights of a model folder into the model. Raises ModelError naming the keys and sizes that do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _check_weights_there(folder)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"training.init_from: {path} cannot be read: {error}.") from error
    expected = model.state_dict()
    if settings.loss == "sigmoid" and "logit_bias" not in weights:
        weights["logit_bias"] = expected["logit_bias"]  # weights of the softmax loss have none: it starts afresh
    if settings.loss != "sigmoid":
        weights.pop("logit_bias", None)
    if settings.temperature:
        weights["logit_scale"] = expected["logit_scale"]
    _check_tokens(expected, weights, folder)
    differences = describe_differences(expected, weights)
    if differences:
        raise ModelError(
            f"The weights in {folder} do not fit the model {settings.model}: {differences}. Set training.model "
            f"to {folder} and leave its sizes as they are."
        )
    model.load_state_dict(weights)


def _check_tokens(expected: dict[str, torch.Tensor], weights: dict[str, torch.Tensor], folder: Path) -> None:
    """The tokenizer is the folder's own, so another number of tokens is no other model but another model's tokenizer."""
    name = next((name for name in TOKEN_TABLES if name in expected and name in weights), None)
    if name and len(expected[name]) != len(weights[name]):
        raise ModelError(
            f"The tokenizer in {folder} has {len(expected[name]):,} tokens, the weights beside it were trained with "
            f"{len(weights[name]):,}. They belong to different models: copy both from one training."
        )


def describe_differences(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> str:
    """Which weights are missing, unknown or of another size, in words; empty where all fit."""
    parts = []
    for what, names in (
        ("lacks", sorted(set(expected) - set(found))),
        ("has the unknown", sorted(set(found) - set(expected))),
    ):
        if names:
            parts.append(f"the file {what} {_some(names)}")
    resized = [
        f"{name} is {_size(found[name])} instead of {_size(expected[name])}"
        for name in sorted(set(expected) & set(found))
        if found[name].shape != expected[name].shape
    ]
    if resized:
        parts.append(_some(resized))
    return "; ".join(parts)


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(tensor: torch.Tensor) -> str:
    return "×".join(str(side) for side in tensor.shape) or "one number"


def freeze_encoder(model: ClipModel, settings: TrainingSettings) -> None:
    """Takes the weights of the encoder that `freeze` names out of the training; its norms too, unless told otherwise."""
    if settings.freeze == "none":
        return
    norms = norm_parameters(model)
    for name, parameter in model.named_parameters():
        if in_encoder(name, settings.freeze) and (settings.freeze_norms or name not in norms):
            parameter.requires_grad_(False)


def in_encoder(name: str, encoder: str) -> bool:
    """Whether a weight or module of that name is of the image encoder (or of the text encoder)."""
    if name.startswith("logit_"):
        return False
    return name.startswith("visual") == (encoder == "image")


def norm_parameters(model: torch.nn.Module) -> set[str]:
    """Names of the weights and biases of all normalisation layers."""
    return {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if _is_norm(module)
        for own, _ in module.named_parameters(recurse=False)
    }


def _is_norm(module: torch.nn.Module) -> bool:
    import torch

    return isinstance(module, (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._BatchNorm))


def training_mode(model: ClipModel, settings: TrainingSettings) -> None:
    """Dropout and batch statistics on, but off in a frozen encoder: its features must not change."""
    model.train()
    if settings.freeze != "none":
        for name, module in model.named_modules():
            if name and in_encoder(name, settings.freeze) and (settings.freeze_norms or not _is_norm(module)):
                module.training = False


def compile_encoders(model: ClipModel) -> None:
    """torch.compile of both encoders, in place, so that the weights keep their names."""
    model.visual.compile()
    # captions are cut to the longest of their batch, so the number of tokens changes from step to step
    (model.transformer if hasattr(model, "transformer") else model.text).compile(dynamic=True)
