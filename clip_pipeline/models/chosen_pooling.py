"""The configuration of a model whose tokens are pooled in another way than it says."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.models.registry import image_size_of
from clip_pipeline.models.token_pooling import ALONG_AN_ORDER, KEY, NONE, token_pooling_of


@dataclass(frozen=True)
class ChosenPooling:
    """How an image encoder's tokens are to be pooled, in the words of `token_pooling.py`; what is 0 or empty is as its configuration says."""

    kind: str = ""
    target: float = 0.0
    after_layer: int = 0
    order: str = ""

    @property
    def changes(self) -> dict[str, Any]:
        """The entries that are not as the configuration says."""
        whole = {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in vars(self).items()
        }
        return {name: value for name, value in whole.items() if value}


def pooled_config(config: dict[str, Any], model: str, chosen: ChosenPooling) -> dict[str, Any]:
    """The configuration with that pooling. model: its name, for the sentences.

    Another kind keeps what the model says of target, layer and, where it follows one, order. With `none` the model is a plain one, which
    open_clip knows too. Raises SettingsError for what is set beside a kind that has no use for it, ModelError for what the encoder cannot do.
    """
    changes = chosen.changes
    if not changes:
        return config
    own = dict(config["vision_cfg"].get(KEY) or {})
    kind = chosen.kind or own.get("kind", NONE)
    config = copy.deepcopy(config)
    if kind == NONE:
        _check_nothing_else(changes, model)
        config["vision_cfg"].pop(KEY, None)
        return config
    if "target" in changes:
        own.pop("segments", None)
    if kind not in ALONG_AN_ORDER:
        own.pop("order", None)
    config["vision_cfg"][KEY] = own | changes | {"kind": kind}
    said = ", ".join(f"pooling.{name}={value}" for name, value in changes.items())
    try:
        token_pooling_of(config["vision_cfg"], image_size_of(config), f"{model} with {said}")
    except ModelError as error:
        # what it calls by the name of the entry was a setting here
        raise SettingsError(str(error).replace(f", {KEY}: ", ": ").replace(KEY, "pooling.kind")) from error
    return config


def _check_nothing_else(changes: dict[str, Any], model: str) -> None:
    idle = [f"pooling.{name} is {value}" for name, value in changes.items() if name != "kind"]
    if not idle:
        return
    why = f"pooling.kind is {NONE}" if "kind" in changes else f"{model} pools no tokens"
    raise SettingsError(
        f"{' and '.join(idle)}, but {why}. Set pooling.kind to a kind such as windows, or leave {'it' if len(idle) == 1 else 'them'} out."
    )
