"""What `token_pooling` in a model's vision_cfg says: after which layer an image's tokens become fewer, how many, and by what.

    "token_pooling": {"kind": "gumbel", "target": 4, "after_layer": 2, "order": "serpentine"}

kind: none; windows (means of squares of the grid); fixed (stretches of one length), gumbel and router (stretches whose ends are
learnt), along an order; tome (the most alike become one). target: tokens that become one, on average; or segments: how many there are afterwards.
after_layer: the layer after which they do, 0 for a quarter of the layers. Plain open_clip knows no such key and refuses the model, where it
would otherwise give other vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from clip_pipeline.errors import ModelError, SettingsError, nearest_name
from clip_pipeline.pooling.orders import ORDERS, RASTER, SERPENTINE, grid_order
from clip_pipeline.pooling.predictors import FIXED, GUMBEL, ROUTER
from clip_pipeline.pooling.rates import check_target

KEY = "token_pooling"
NONE, WINDOWS, TOME = "none", "windows", "tome"
ALONG_AN_ORDER = (FIXED, GUMBEL, ROUTER)
LEARNT = (GUMBEL, ROUTER)
KINDS = (NONE, WINDOWS, *ALONG_AN_ORDER, TOME)

TARGET = 4.0
"""Tokens that become one, where the configuration does not say: as many as a window of 2 × 2 has."""

OF_ANOTHER_ENCODER = ("attentional_pool", "output_tokens", "block_type", "qk_norm", "scaled_cosine_attn", "scale_heads")
OF_ANOTHER_BLOCK = ("scale_attn_inner", "scale_attn", "scale_fc")
"""Settings of open_clip's ViT that have other parts than those which are called one by one here."""


@dataclass(frozen=True)
class TokenPooling:
    """How an image encoder's tokens become fewer. rows, columns: of the grid of patches. segments: tokens afterwards, the class token apart.
    after_layer: from 1. layers: of the encoder. order: in which the tokens are read, for kinds along one."""

    kind: str
    rows: int
    columns: int
    layers: int
    segments: int
    after_layer: int
    order: str = RASTER

    @property
    def side(self) -> int:
        """Tokens of a side of a window."""
        return math.isqrt(self.rows * self.columns // self.segments)

    def tokens_of_layers(self) -> list[int]:
        """How many tokens each layer sees, the class token among them."""
        before, after = self.rows * self.columns + 1, self.segments + 1
        return [before] * self.after_layer + [after] * (self.layers - self.after_layer)

    def facts(self) -> dict[str, Any]:
        """What a report says of it. tokens_of_a_segment: how many become one, on average. padding: share of the tokens that nobody asked for,
        0 since every image has as many segments as every other."""
        along = {"order": self.order} if self.kind in ALONG_AN_ORDER else {}
        sizes = {
            "after_layer": self.after_layer,
            "segments": self.segments,
            "tokens_of_a_segment": round(self.rows * self.columns / self.segments, 4),
            "padding": 0.0,
            "tokens_of_layers": self.tokens_of_layers(),
        }
        return {"kind": self.kind, **along, **sizes}


def token_pooling_of(vision: dict[str, Any], image_size: tuple[int, int], where: str) -> TokenPooling | None:
    """What vision_cfg says of token pooling, None where nothing. image_size: height and width in pixels. where: the file, for sentences.

    Raises ModelError for what cannot be: an unknown kind or entry, an encoder that is no ViT of open_clip's, more segments than tokens, a
    target of one, an order or windows that the grid does not allow, a layer that there is not.
    """
    if KEY not in vision:
        return None
    said = vision[KEY]
    if not isinstance(said, dict) or "kind" not in said:
        raise ModelError(f'{where}: {KEY} is no table with a kind. Expected one such as {{"kind": "{WINDOWS}"}}.')
    try:
        return _checked(said, vision, image_size)
    except (SettingsError, ModelError) as error:
        raise ModelError(f"{where}, {KEY}: {error}") from error


def _checked(said: dict[str, Any], vision: dict[str, Any], image_size: tuple[int, int]) -> TokenPooling:
    _check_names(said)
    layers, (rows, columns) = _check_encoder(vision, image_size)
    kind, count = said["kind"], rows * columns
    if kind == NONE:
        return TokenPooling(kind, rows, columns, layers, count, layers)
    if vision.get("patch_dropout"):
        raise ModelError(
            f"patch_dropout leaves holes in the grid whose tokens are pooled. Set it to 0, or leave {KEY} out."
        )
    after = _whole(said, "after_layer", 0) or max(1, layers // 4)
    if not 1 <= after < layers:
        raise ModelError(
            f"after_layer is {after}, and the image encoder has {layers} layer{'s' if layers > 1 else ''}: pooling needs a layer before it and one "
            f"after it. Set it to {f'1 to {layers - 1}' if layers > 1 else '0 in a deeper encoder'}."
        )
    order = said.get("order", SERPENTINE) if kind in ALONG_AN_ORDER else RASTER
    grid_order(order, rows, columns)
    return TokenPooling(kind, rows, columns, layers, _segments(said, rows, columns), after, order)


def _check_names(said: dict[str, Any]) -> None:
    kind = said["kind"]
    if kind not in KINDS:
        raise ModelError(
            f'There is no kind of token pooling called "{str(kind)[:40]}". {nearest_name(str(kind), KINDS)}'
        )
    known = ("kind", "target", "segments", "after_layer", "order")
    for name in said:
        if name not in known:
            raise ModelError(f'There is no entry "{str(name)[:40]}". {nearest_name(str(name), known)}')
    if kind == NONE and len(said) > 1:
        raise ModelError(f"With the kind {NONE}, {_listed(said, 'kind')} would mean nothing. Leave that out.")
    if "order" in said and kind not in ALONG_AN_ORDER:
        raise ModelError(f"order means nothing to the kind {kind}, which follows none. Leave it out.")
    if "target" in said and "segments" in said:
        raise ModelError("target and segments both say how many tokens are left. Give one of them.")
    if not isinstance(said.get("order", ""), str) or said.get("order", RASTER) not in ORDERS:
        raise ModelError(f'There is no order "{str(said["order"])[:40]}". {nearest_name(str(said["order"]), ORDERS)}')


def _listed(said: dict[str, Any], but: str) -> str:
    return ", ".join(str(name) for name in said if name != but)


def _check_encoder(vision: dict[str, Any], image_size: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """(layers, (rows, columns) of the grid) of open_clip's own ViT with a class token."""
    layers, patch = vision.get("layers", 12), vision.get("patch_size", 16)
    if vision.get("timm_model_name") or isinstance(layers, list | tuple):
        encoder = vision.get("timm_model_name") or "a ResNet"
        raise ModelError(
            f"The image encoder is {encoder}; only the tokens of open_clip's own ViT are pooled. Leave {KEY} out."
        )
    if not _is_whole(layers) or layers < 1:
        raise ModelError(f"The layers of the image encoder are {str(layers)[:40]!r}, expected a whole number.")
    other = [
        name for name in (*OF_ANOTHER_ENCODER, *OF_ANOTHER_BLOCK) if vision.get(name) not in (None, False, "default")
    ]
    if other or vision.get("pool_type", "tok") != "tok":
        name = other[0] if other else "pool_type"
        raise ModelError(
            f"The image encoder has {name} = {vision[name]}; tokens are pooled in the plain ViT whose vector is its class token's. Leave "
            f"{name} out, or {KEY}."
        )
    return layers, _grid(image_size, patch)


def _grid(image_size: tuple[int, int], patch: Any) -> tuple[int, int]:
    """(rows, columns) of patches. Raises ModelError for patches that cannot be, and for an image that is smaller than one."""
    sides = list(patch) if isinstance(patch, list | tuple) else [patch, patch]
    if len(sides) != 2 or not all(_is_whole(side) and side > 0 for side in sides):
        raise ModelError(f"patch_size is {str(patch)[:40]!r}, expected pixels of a side, or [height, width].")
    rows, columns = image_size[0] // sides[0], image_size[1] // sides[1]
    if not rows * columns:
        raise ModelError(
            f"An image of {image_size[0]} × {image_size[1]} pixels has no patch of {str(sides[0])[:20]} × {str(sides[1])[:20]}. Set patch_size to fewer."
        )
    return rows, columns


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _segments(said: dict[str, Any], rows: int, columns: int) -> int:
    """Tokens afterwards. Raises ModelError for more than there are, and for windows that do not fill the grid."""
    count = rows * columns
    segments = _whole(said, "segments", 0)
    if "segments" in said and not 1 <= segments <= count:
        raise ModelError(
            f"segments is {segments}, and there are {count} tokens, {rows} × {columns}. Set it to 1 to {count}."
        )
    if not segments:
        target = said.get("target", TARGET)
        if not (_is_whole(target) or (isinstance(target, float) and math.isfinite(target))):
            raise ModelError(f"target is {str(target)[:40]!r}, expected how many tokens become one, such as 4.")
        segments = math.ceil(count / check_target(min(target, count + 1)))  # a larger one leaves one token too
    if said["kind"] == WINDOWS:
        side = math.isqrt(count // segments)
        if side * side * segments != count or rows % side or columns % side:
            raise ModelError(
                f"Squares of one size do not make {segments} tokens of {rows} × {columns}. Set target to a square number whose root divides both, "
                "such as 4, or take another image or patch size."
            )
    return segments


def _whole(said: dict[str, Any], name: str, default: int) -> int:
    value = said.get(name, default)
    if not _is_whole(value) or value < 0:
        raise ModelError(f"{name} is {str(value)[:40]!r}, expected a whole number.")
    return value
