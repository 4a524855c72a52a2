"""The model before its first step: its weights, what of them learns, how it is computed."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.machine.foreign_code import read_settings_file
from clip_pipeline.models.folder import CONFIG_FILE, WEIGHTS_FILE, preprocess_config
from clip_pipeline.models.registry import ClipModel, build_model
from clip_pipeline.storage.disk import hash_file
from clip_pipeline.training.model.attention import lighten_attention
from clip_pipeline.training.model.freezing import FrozenEncoder, freeze_encoder
from clip_pipeline.training.model.text_encoder import OPEN_CLIP, prepare_text_encoder
from clip_pipeline.training.objective.loss import SIGMOID_BIAS, SIGMOID_TEMPERATURE

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

NAMES_SHOWN = 4
TOKEN_TABLES = ("token_embedding.weight", "text.token_embedding.weight")


@dataclass(frozen=True)
class InitialModel:
    """What the model is before its first step.

    name: of its configuration, for the sentences of errors. init_from: a model folder with its weights, "" for random ones. loss: softmax
    or sigmoid. temperature: at the start, 0 for the loss's own. patch_dropout: share of the patches of a ViT that are left out.
    text_encoder: see `prepare_text_encoder`. frozen: the encoder that does not learn.
    """

    name: str
    init_from: str = ""
    loss: str = "softmax"
    temperature: float = 0.0
    patch_dropout: float = 0.0
    text_encoder: str = OPEN_CLIP
    frozen: FrozenEncoder | None = None
    gradient_checkpointing: bool = False
    compile: bool = False


def with_loss(config: dict[str, Any], loss: str) -> dict[str, Any]:
    """The configuration with what the loss needs: a bias for the sigmoid, as open_clip's own SigLIP models have it, and none for the softmax."""
    if loss != "sigmoid":
        start_of_sigmoid = ("init_logit_scale", "init_logit_bias") if "init_logit_bias" in config else ()
        return {key: value for key, value in config.items() if key not in start_of_sigmoid}
    return config | {"init_logit_scale": math.log(1 / SIGMOID_TEMPERATURE), "init_logit_bias": SIGMOID_BIAS}


def initial_preprocess(config: dict[str, Any], init_from: str = "") -> dict[str, Any]:
    """How images are prepared: as the model in the folder `init_from` was used to, or as `preprocess_config` says."""
    wanted = preprocess_config(config)
    if init_from:
        path = Path(init_from) / CONFIG_FILE
        if not path.exists():
            raise ModelError(f"training.init_from: {path} does not exist. Give a model folder.")
        stored = read_settings_file(path)
        wanted |= {key: value for key, value in stored.get("preprocess_cfg", {}).items() if key in ("mean", "std")}
        wanted["resize_mode"] = stored.get("preprocess_cfg", {}).get("resize_mode", wanted["resize_mode"])
    return wanted


def make_model(config: dict[str, Any], initial: InitialModel, device: str) -> ClipModel:
    """The model on its device, ready for the first step.

    config: with the tokenizer's and the loss's entries. Raises SettingsError for what this kind of model cannot do,
    ModelError when the weights of `init_from` do not fit.
    """
    import torch

    arguments = copy.deepcopy(config)
    if initial.patch_dropout:
        _check_that_patches_can_be_left_out(config, initial)
        arguments["vision_cfg"]["patch_dropout"] = initial.patch_dropout
    model = build_model(arguments)
    if initial.temperature:
        torch.nn.init.constant_(model.logit_scale, math.log(1 / initial.temperature))
    if initial.init_from:
        load_initial_weights(model, initial)
    prepare_text_encoder(model, initial.text_encoder, initial.name)
    if initial.frozen is not None:
        freeze_encoder(model, initial.frozen)
    model = model.to(device)
    model.visual.to(memory_format=torch.channels_last)
    if initial.gradient_checkpointing:
        from open_clip.modified_resnet import ModifiedResNet

        model.set_grad_checkpointing(True)
        if isinstance(model.visual, ModifiedResNet):
            logger.warning(
                "training.gradient_checkpointing helps the text encoder only: CLIP's ResNet knows nothing of it"
            )
    if initial.compile:
        compile_encoders(model)
    elif device == "cpu":
        lighten_attention(model)
    return model


def is_vision_transformer(config: dict[str, Any]) -> bool:
    """Whether the image encoder is open_clip's own ViT."""
    return isinstance(config["vision_cfg"].get("layers", 12), int) and not config["vision_cfg"].get("timm_model_name")


def _check_that_patches_can_be_left_out(config: dict[str, Any], initial: InitialModel) -> None:
    if not is_vision_transformer(config):
        raise SettingsError(
            f"training.patch_dropout is {initial.patch_dropout:g}, but the image encoder of {initial.name} is no vision "
            "transformer and has no patches to leave out. Set it to 0 or choose a ViT."
        )


def hash_initial_weights(init_from: str) -> dict[str, str]:
    """sha256 of the weights that are gone on from; empty for a training from scratch."""
    path = Path(init_from) / WEIGHTS_FILE
    return {"init_from": hash_file(path)} if init_from and path.is_file() else {}


def check_initial_model(config: dict[str, Any], init_from: str) -> None:
    """A quick look, before anything is built, at the folder that a training of that configuration goes on from.

    Raises ModelError for a folder without a configuration or weights.
    """
    initial_preprocess(config, init_from)
    if init_from:
        _check_weights_there(Path(init_from))


def _check_weights_there(folder: Path) -> Path:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(
            f"training.init_from: {folder} holds no {WEIGHTS_FILE}. Give a model folder of open_clip's form."
        )
    return path


def load_initial_weights(model: ClipModel, initial: InitialModel) -> None:
    """Puts the weights of the folder `initial.init_from` into the model. Raises ModelError naming the keys and sizes that do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(initial.init_from)
    path = _check_weights_there(folder)
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"training.init_from: {path} cannot be read: {error}.") from error
    expected = model.state_dict()
    if initial.loss == "sigmoid" and "logit_bias" not in weights:
        weights["logit_bias"] = expected["logit_bias"]  # weights of the softmax loss have none: it starts afresh
    if initial.loss != "sigmoid":
        weights.pop("logit_bias", None)
    if initial.temperature:
        weights["logit_scale"] = expected["logit_scale"]
    _check_tokens(expected, weights, folder)
    differences = describe_differences(expected, weights)
    if differences:
        raise ModelError(
            f"The weights in {folder} do not fit the model {initial.name}: {differences}. Set training.model "
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


def compile_encoders(model: ClipModel) -> None:
    """torch.compile of both encoders, in place, so that the weights keep their names."""
    model.visual.compile()
    # captions are cut to the longest of their batch, so the number of tokens changes from step to step
    (model.transformer if hasattr(model, "transformer") else model.text).compile(dynamic=True)
