"""What `token_pooling` in a model's text_cfg says: what the tokens of a text are, how they become segments, and from which layer on.

    "custom_text": true,
    "text_cfg": {"context_length": 128, "vocab_size": 259, "token_pooling": {"tokens": "bytes", "kind": "whitespace"}, ...}

tokens: tokenizer, or bytes, which need none. kind: none; whitespace (a segment ends at a space, bytes only); fixed (stretches of one length);
router (ends are where two neighbours differ most, learnt). convolution: bytes that each byte is read with. Start and end of a text are segments
of their own. Plain open_clip knows no such key and refuses the model, where it would otherwise give other vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import ModelError, SettingsError, nearest_name
from clip_pipeline.models.token_pooling import KEY, NONE, OF_ANOTHER_BLOCK
from clip_pipeline.pooling.predictors import FIXED, ROUTER, WHITESPACE
from clip_pipeline.pooling.rates import check_target
from clip_pipeline.text.byte_tokenizer import ENDS, VOCABULARY

BYTES, TOKENIZER = "bytes", "tokenizer"
TOKENS = (TOKENIZER, BYTES)
KINDS = (NONE, WHITESPACE, FIXED, ROUTER)
TO_TARGET = (FIXED, ROUTER)
"""Kinds that make a given number of segments."""
TARGETS = {BYTES: 4.0, TOKENIZER: 2.0}
"""Tokens that become one, where the configuration does not say."""
CONVOLUTION = 5
"""Bytes that each byte is read with, itself in the middle, where the configuration does not say."""
MAX_CONVOLUTION = 15
SHORTEST_WORDS = 3
"""Bytes of a word and its space, on average, for which there are segments enough. English captions have 5.2."""
CUSTOM_TEXT = "custom_text"
OF_ANOTHER_ENCODER = ("hf_model_name", "embed_cls", "output_tokens", "block_type", "qk_norm", "scaled_cosine_attn", "scale_heads")  # fmt: skip


@dataclass(frozen=True)
class TextPooling:
    """How a text encoder's tokens become fewer. segments: the most that a text has, both ends included. after_layer: 0 for before the first.
    target: tokens a segment, for kinds that have one. convolution: 0 for none."""

    tokens: str
    kind: str
    context_length: int
    layers: int
    segments: int
    after_layer: int
    target: float = 0.0
    convolution: int = 0

    def facts(self) -> dict[str, Any]:
        """What a report says of it."""
        found: dict[str, Any] = {"tokens": self.tokens, "kind": self.kind}
        found |= {"convolution": self.convolution} if self.convolution else {}
        found |= {"target": self.target} if self.kind in TO_TARGET else {}
        return found if self.kind == NONE else found | {"after_layer": self.after_layer, "max_segments": self.segments}


def reads_bytes(config: dict[str, Any]) -> bool:
    """Whether the texts of a model are bytes, so that it has no tokenizer. config: of open_clip's form."""
    said = config["text_cfg"].get(KEY)
    return isinstance(said, dict) and said.get("tokens") == BYTES


def check_text_pooling(config: dict[str, Any], where: str) -> None:
    """Raises ModelError for token pooling in text_cfg that cannot be. config: a whole configuration. where: the file, for sentences."""
    pooling = text_pooling_of(config["text_cfg"], where)
    if pooling is not None and not config.get(CUSTOM_TEXT):
        raise ModelError(
            f"{where}: text_cfg has {KEY}, and open_clip takes such a text encoder as a part of its own. Write \"{CUSTOM_TEXT}\": true beside "
            "text_cfg."
        )  # fmt: skip


def text_pooling_of(text: dict[str, Any], where: str) -> TextPooling | None:
    """What text_cfg says of token pooling, None where nothing. where: the file, for sentences.

    Raises ModelError for what cannot be: an unknown kind or entry, an encoder that is no transformer of open_clip's, spaces of tokens that are
    no bytes, a target of one, a layer that there is not.
    """
    if KEY not in text:
        return None
    said = text[KEY]
    if not isinstance(said, dict) or "kind" not in said:
        raise ModelError(
            f'{where}: {KEY} of text_cfg is no table with a kind. Expected one such as {{"tokens": "{BYTES}", "kind": "{WHITESPACE}"}}.'
        )
    try:
        return _checked(said, text)
    except (SettingsError, ModelError) as error:
        raise ModelError(f"{where}, {KEY} of text_cfg: {error}") from error


def _checked(said: dict[str, Any], text: dict[str, Any]) -> TextPooling:
    kind, tokens = _check_names(said)
    layers, length = _check_encoder(text, tokens)
    convolution = _whole(said, "convolution", CONVOLUTION if tokens == BYTES else 0)
    if convolution and (tokens != BYTES or convolution % 2 == 0 or convolution > MAX_CONVOLUTION):
        expected = (
            f"an odd number up to {MAX_CONVOLUTION}, or 0 for none" if tokens == BYTES else f"none without {BYTES}"
        )
        raise ModelError(f"convolution is {convolution}, expected {expected}.")
    if kind == NONE:
        return TextPooling(tokens, kind, length, layers, length, layers, convolution=convolution)
    after = _whole(said, "after_layer", 0 if convolution else max(1, layers // 4))
    if after >= layers:
        raise ModelError(
            f"after_layer is {after}, and the text encoder has {layers} layer{'s' if layers > 1 else ''}: one has to see the segments. Set it to 0 "
            f"to {layers - 1}."
        )
    if kind == WHITESPACE:
        inner = length - ENDS
        segments = _whole(said, "segments", ENDS + math.ceil(inner / SHORTEST_WORDS))
        if not ENDS < segments <= length:
            raise ModelError(f"segments is {segments}. Both ends are one each: set it to {ENDS + 1} to {length}.")
        return TextPooling(tokens, kind, length, layers, segments, after, convolution=convolution)
    target = _target(said, kind, tokens)
    most = ENDS + math.ceil((length - ENDS) / target)
    return TextPooling(tokens, kind, length, layers, most, after, target, convolution)


def _check_names(said: dict[str, Any]) -> tuple[str, str]:
    """(kind, tokens)."""
    kind, tokens = said["kind"], said.get("tokens", TOKENIZER)
    if kind not in KINDS:
        raise ModelError(
            f'There is no kind of text pooling called "{str(kind)[:40]}". {nearest_name(str(kind), KINDS)}'
        )
    if tokens not in TOKENS:
        raise ModelError(f'There are no tokens called "{str(tokens)[:40]}". {nearest_name(str(tokens), TOKENS)}')
    if kind == WHITESPACE and tokens != BYTES:
        raise ModelError(
            f"{WHITESPACE} looks for spaces among {BYTES}; a tokenizer's tokens have none. Take {FIXED} or {ROUTER}."
        )
    meant = {
        "target": kind in TO_TARGET, "segments": kind == WHITESPACE, "after_layer": kind != NONE, "convolution": True, "kind": True, "tokens": True,
    }  # fmt: skip
    for name in said:
        if name not in meant:
            raise ModelError(f'There is no entry "{str(name)[:40]}". {nearest_name(str(name), meant)}')
        if not meant[name]:
            raise ModelError(f"{name} means nothing to the kind {kind}. Leave it out.")
    return kind, tokens


def _check_encoder(text: dict[str, Any], tokens: str) -> tuple[int, int]:
    """(layers, context length) of open_clip's own text encoder that looks at a text's end."""
    other = [
        name for name in (*OF_ANOTHER_ENCODER, *OF_ANOTHER_BLOCK) if text.get(name) not in (None, False, "default")
    ]
    if text.get("pool_type", "argmax") not in ("argmax", "eos"):
        other.append("pool_type")
    if other:
        raise ModelError(
            f"The text encoder has {other[0]} = {text[other[0]]}; segments are made in open_clip's plain one, whose vector is that of a text's end. "
            f"Leave {other[0]} out, or {KEY}."
        )
    length, rows = text.get("context_length", 77), text.get("vocab_size", 49_408)
    if tokens == BYTES and rows != VOCABULARY:
        raise ModelError(
            f"vocab_size is {rows}; the bytes, both ends and padding are {VOCABULARY}. Set it to {VOCABULARY}."
        )
    if length <= ENDS:
        raise ModelError(f"context_length is {length}: both ends and a token need {ENDS + 1}. Set it to more.")
    return text.get("layers", 12), length


def _target(said: dict[str, Any], kind: str, tokens: str) -> float:
    target = said.get("target", TARGETS[tokens])
    if isinstance(target, bool) or not isinstance(target, (int, float)) or not math.isfinite(target):
        raise ModelError(f"target is {str(target)[:40]!r}, expected how many tokens become one, such as 4.")
    if kind == FIXED and check_target(target) != int(target):
        raise ModelError(f"target is {target:g}; stretches of one length need a whole number.")
    return float(check_target(target))


def _whole(said: dict[str, Any], name: str, default: int) -> int:
    value = said.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ModelError(f"{name} is {str(value)[:40]!r}, expected a whole number.")
    return value
