"""How images are prepared for a model, in open_clip's words: size, mean, std, interpolation, resize mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from clip_pipeline.models.registry import image_size_of
from clip_pipeline.models.torchvision_operators import define_missing_operators

if TYPE_CHECKING:
    import torch

MAX_SQUASHED_PX = 111
"""Images up to this size are squashed to a square: at 48 or 64 pixels a centre crop would lose whole objects. Larger
models keep the proportions and crop the centre, as CLIP does."""

OF_OPEN_CLIP: dict[str, Any] = {
    "mode": "RGB",
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
"""What open_clip does where nobody says otherwise."""


def preprocess_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """How an image is prepared for a model that is trained here from random weights. size: [height, width] in pixels."""
    size = image_size_of(dict(config))
    return {
        "size": list(size),
        "mode": "RGB",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash" if max(size) <= MAX_SQUASHED_PX else "shortest",
    }


def others_preprocess_config(config: Mapping[str, Any], said: Mapping[str, Any] | None) -> dict[str, Any]:
    """How an image is prepared for a model of somebody else: as is said beside it, and for the rest as open_clip does.

    said: `preprocess_cfg` of its folder or what is known of a pretrained tag; other keys in it are passed over.
    """
    known = {key: value for key, value in (said or {}).items() if key in OF_OPEN_CLIP and value is not None}
    prepared = {"size": list(image_size_of(dict(config)))} | OF_OPEN_CLIP | known
    return {key: list(value) if isinstance(value, tuple) else value for key, value in prepared.items()}


def preprocess_steps(preprocess: Mapping[str, Any]) -> Callable[[Any], torch.Tensor]:
    """open_clip's own preprocess of it: PIL image -> (3, H, W)."""
    define_missing_operators()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    size = preprocess["size"]
    return image_transform_v2(PreprocessCfg(**{**preprocess, "size": tuple(size)}), is_train=False)
