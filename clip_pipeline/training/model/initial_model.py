"""The model before its first step: its weights, what of them learns, how it is computed."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.folder import open_model
from clip_pipeline.models.form import form_of
from clip_pipeline.models.identity import hash_model_files
from clip_pipeline.models.loaded_weights import mark_resized, resized_facts
from clip_pipeline.models.preprocessing import preprocess_config
from clip_pipeline.models.registry import ClipModel, build_model
from clip_pipeline.models.token_pooling import KEY, NONE
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.training.model.attention import lighten_attention
from clip_pipeline.training.model.freezing import FrozenEncoder, freeze_encoder
from clip_pipeline.training.model.text_encoder import OPEN_CLIP, go_on_with_text_encoder, prepare_text_encoder
from clip_pipeline.training.objective.loss import SIGMOID_BIAS, SIGMOID_TEMPERATURE

logger = logging.getLogger(__name__)

PREDICTOR = f"visual.{KEY}.predictor."
"""Names of the weights that draw the boundaries of a learnt pooling begin so."""


@dataclass(frozen=True)
class InitialModel:
    """What the model is before its first step.

    name: of its configuration, for the sentences of errors. init_from: the model that is gone on from, any that `open_model` takes, ""
    for random weights. loss: softmax or sigmoid. temperature: at the start, 0 for the loss's own. patch_dropout: share of the patches of a ViT that are left out.
    text_encoder: see `prepare_text_encoder`. frozen: the encoder that does not learn. batch_norms: keep, update, or auto, which keeps
    those of a model gone on from.
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
    batch_norms: str = "auto"

    @property
    def keeps_statistics(self) -> bool:
        """Whether batch norms go by the means and variances that the model has, and leave them."""
        return self.batch_norms == "keep" or (self.batch_norms == "auto" and bool(self.init_from))


def with_loss(config: dict[str, Any], loss: str) -> dict[str, Any]:
    """The configuration with what the loss needs: a bias for the sigmoid, as open_clip's own SigLIP models have it, and none for the softmax."""
    if loss != "sigmoid":
        start_of_sigmoid = ("init_logit_scale", "init_logit_bias") if "init_logit_bias" in config else ()
        return {key: value for key, value in config.items() if key not in start_of_sigmoid}
    return config | {"init_logit_scale": math.log(1 / SIGMOID_TEMPERATURE), "init_logit_bias": SIGMOID_BIAS}


def initial_preprocess(config: dict[str, Any], init_from: str = "") -> dict[str, Any]:
    """How images are prepared: as the model `init_from` was used to, or as `preprocess_config` says. Raises ModelError."""
    return form_of(init_from).preprocess if init_from else preprocess_config(config)


def make_model(config: dict[str, Any], initial: InitialModel, device: str) -> ClipModel:
    """The model on its device, ready for the first step.

    config: with the tokenizer's and the loss's entries. Raises SettingsError for what this kind of model cannot do,
    ModelError when the weights of `init_from` cannot be had.
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
        go_on_with_text_encoder(model, initial.text_encoder, initial.name)
    else:
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
    if config["vision_cfg"].get(KEY, {}).get("kind", NONE) != NONE:
        raise SettingsError(
            f"training.patch_dropout is {initial.patch_dropout:g}, but {initial.name} pools its tokens, and patches that are left out are holes "
            f"in the grid of which it does. Set it to 0, or choose a model without {KEY}."
        )


def hash_initial_weights(init_from: str) -> dict[str, str]:
    """sha256 of the files of the model that is gone on from (of a name, the name); empty for a training from scratch."""
    return {"init_from": hash_json(hash_model_files(init_from))} if init_from else {}


def load_initial_weights(model: ClipModel, initial: InitialModel) -> None:
    """Puts the weights of `initial.init_from` into the model, as they are when it embeds. Raises ModelError when they cannot be had."""
    loaded = open_model(initial.init_from)[0]
    weights = loaded.state_dict()
    mark_resized(model, resized_facts(loaded))
    expected = model.state_dict()
    if initial.loss == "sigmoid" and "logit_bias" not in weights:
        weights["logit_bias"] = expected["logit_bias"]  # weights of the softmax loss have none: it starts afresh
    if initial.loss != "sigmoid" and weights.pop("logit_bias", None) is not None:
        logger.warning(
            "%s was trained with the sigmoid loss and has a bias for it, which training.loss=%s leaves out. Set training.loss to "
            "sigmoid to go on as it was trained.",
            initial.init_from,
            initial.loss,
        )
    if initial.temperature:
        weights["logit_scale"] = expected["logit_scale"]
    model.load_state_dict(_with_own_predictor(weights, expected))


def _with_own_predictor(weights: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """The weights with the boundary predictor of this model where theirs is none or of another kind; `about_pooling` says so."""
    own = {name: value for name, value in expected.items() if name.startswith(PREDICTOR)}
    theirs = {name: value for name, value in weights.items() if name.startswith(PREDICTOR)}
    if {name: value.shape for name, value in own.items()} == {name: value.shape for name, value in theirs.items()}:
        return weights
    return {name: value for name, value in weights.items() if name not in theirs} | own


def largest_logit_scale(model: ClipModel, initial: InitialModel, max_scale: float) -> float:
    """The cap of the logit scale: training.max_logit_scale, or that of the model gone on from where it is larger already."""
    own = float(model.logit_scale.detach().exp().max())
    if not initial.init_from or own <= max_scale:
        return max_scale
    logger.warning(
        "The logit scale of %s is %.1f, more than training.max_logit_scale, %g: it is capped at its own value.",
        initial.init_from,
        own,
        max_scale,
    )
    return own


def compile_encoders(model: ClipModel) -> None:
    """torch.compile of both encoders, in place, so that the weights keep their names."""
    model.visual.compile()
    # captions are cut to the longest of their batch, so the number of tokens changes from step to step
    (model.transformer if hasattr(model, "transformer") else model.text).compile(dynamic=True)
