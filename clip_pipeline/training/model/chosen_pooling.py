"""The configuration of a model whose tokens are pooled in another way than it says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models import text_pooling
from clip_pipeline.models.registry import image_size_of
from clip_pipeline.models.token_pooling import ALONG_AN_ORDER, KEY, NONE, token_pooling_of
from clip_pipeline.pooling.predictors import WHITESPACE

IMAGE, TEXT = "image", "text"


@dataclass(frozen=True)
class ChosenPooling:
    """How the tokens of an encoder, image or text, are to be pooled, in the words of `token_pooling.py` and `text_pooling.py`; what is 0 or
    empty is as its configuration says."""

    kind: str = ""
    target: float = 0.0
    after_layer: int = 0
    order: str = ""
    encoder: str = IMAGE

    @property
    def changes(self) -> dict[str, Any]:
        """The entries that are not as the configuration says."""
        entries = {name: value for name, value in vars(self).items() if name != "encoder" and value}
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in entries.items()
        }


@dataclass(frozen=True)
class _Encoder:
    """section: of a configuration. check(config, where): raises ModelError for a pooling that cannot be. meant(kind): the entries that a kind has a use for."""

    section: str
    check: Callable[[dict[str, Any], str], object]
    meant: Callable[[str], set[str]]


def _of_images(kind: str) -> set[str]:
    return {"target", "segments", "after_layer", *(("order",) if kind in ALONG_AN_ORDER else ())}


def _of_texts(kind: str) -> set[str]:
    own = ("target",) if kind in text_pooling.TO_TARGET else ("segments",) if kind == WHITESPACE else ()
    return {"tokens", "convolution", *own, *(() if kind == NONE else ("after_layer",))}


ENCODERS = {
    IMAGE: _Encoder(
        "vision_cfg",
        lambda config, where: token_pooling_of(config["vision_cfg"], image_size_of(config), where),
        _of_images,
    ),
    TEXT: _Encoder("text_cfg", text_pooling.check_text_pooling, _of_texts),
}


def pooled_config(config: dict[str, Any], model: str, chosen: ChosenPooling) -> dict[str, Any]:
    """The configuration with that pooling. model: its name, for the sentences.

    Another kind keeps what the model says of all that it has a use for. With `none` the encoder is a plain one, which open_clip knows
    too, unless it reads bytes. Raises SettingsError for what is set beside a kind that has no use for it, and for what the encoder cannot do.
    """
    changes = chosen.changes
    if not changes:
        return config
    encoder = ENCODERS[chosen.encoder]
    own = dict(config[encoder.section].get(KEY) or {})
    kind = chosen.kind or own.get("kind", NONE)
    config = copy.deepcopy(config)
    section = config[encoder.section]
    if kind == NONE:
        _check_nothing_else(changes, model)
        own = (
            {name: value for name, value in own.items() if name in encoder.meant(kind)}
            if own.get("tokens") == text_pooling.BYTES
            else {}
        )
        section.pop(KEY, None)
        if own:
            section[KEY] = own | {"kind": kind}
        return config
    if "target" in changes:
        own.pop("segments", None)
    kept = {name: value for name, value in own.items() if name in encoder.meant(kind)}
    section[KEY] = kept | changes | {"kind": kind}
    if chosen.encoder == TEXT:
        config[text_pooling.CUSTOM_TEXT] = True
    said = ", ".join(f"pooling.{name}={value}" for name, value in changes.items())
    try:
        encoder.check(config, f"{model} with {said}")
    except ModelError as error:
        # what it calls by the name of the entry was a setting here
        raise SettingsError(_in_words_of_settings(str(error))) from error
    return config


def _in_words_of_settings(sentence: str) -> str:
    return sentence.replace(f", {KEY} of text_cfg: ", ": ").replace(f", {KEY}: ", ": ").replace(KEY, "pooling.kind")


def _check_nothing_else(changes: dict[str, Any], model: str) -> None:
    idle = [f"pooling.{name} is {value}" for name, value in changes.items() if name != "kind"]
    if not idle:
        return
    why = f"pooling.kind is {NONE}" if "kind" in changes else f"{model} pools no tokens"
    raise SettingsError(
        f"{' and '.join(idle)}, but {why}. Set pooling.kind to a kind such as windows, or leave {'it' if len(idle) == 1 else 'them'} out."
    )
