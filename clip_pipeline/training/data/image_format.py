"""In which size, and resized how, photos are kept for training; and a photo made so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.preprocessing import preprocess_steps
from clip_pipeline.pixels.decode import decoded
from clip_pipeline.pixels.preprocess import Preprocessing, preprocessing_of
from clip_pipeline.pixels.resize import Square, fit_square

if TYPE_CHECKING:
    import numpy as np

RESIZE_MODES = ("shortest", "squash", "longest")
INTERPOLATIONS = ("bicubic", "bilinear")
_NAME = re.compile(r"(\d+)(?:x(\d+))?px_([a-z]+?)(?:_(bilinear))?(?:_fill(\d+))?")


@dataclass(frozen=True)
class ImageFormat:
    """How images are kept. side: height in pixels, and width where that is 0. resize_mode: squash, shortest (then the centre is
    cropped) or longest (then the rest is filled with `fill_color`), as open_clip does each."""

    side: int
    resize_mode: str
    width: int = 0
    interpolation: str = "bicubic"
    fill_color: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.side, self.width or self.side

    @property
    def nbytes(self) -> int:
        """Of one image."""
        return 3 * self.shape[0] * self.shape[1]

    @property
    def square(self) -> Square | None:
        """The same for the compiled kernels; None where open_clip's own steps do it."""
        height, width = self.shape
        known = self.interpolation == "bicubic" and self.resize_mode in ("shortest", "squash") and height == width
        return Square(self.side, self.resize_mode) if known else None

    @property
    def name(self) -> str:
        """Such as 112px_shortest or 64x96px_squash_bilinear (height × width): a folder name and a partition."""
        height, width = self.shape
        size = f"{height}" if height == width else f"{height}x{width}"
        interpolation = "" if self.interpolation == "bicubic" else f"_{self.interpolation}"
        fill = f"_fill{self.fill_color}" if self.fill_color and self.resize_mode == "longest" else ""
        return f"{size}px_{self.resize_mode}{interpolation}{fill}"

    @classmethod
    def named(cls, name: str) -> ImageFormat:
        """The format of a `name`. Raises SettingsError for another text."""
        found = _NAME.fullmatch(name)
        if found is None or found[3] not in RESIZE_MODES:
            raise SettingsError(f'"{name}" is no format of images. Expected one such as 112px_shortest or 64px_squash.')
        height, width, mode, interpolation, fill = found.groups()
        return cls(int(height), mode, int(width or 0), interpolation or "bicubic", int(fill or 0))

    def described(self) -> dict[str, Any]:
        """What is written beside the images: side and resize_mode, and what is not as usual."""
        usual = {"width": 0, "interpolation": "bicubic", "fill_color": 0}
        other = {name: value for name in usual if (value := getattr(self, name)) != usual[name]}
        return {"side": self.side, "resize_mode": self.resize_mode} | other


def image_format(preprocess: dict[str, Any], cached_image_size: int = 0) -> ImageFormat:
    """The format for a model's preprocessing: its own size, or one whose shorter side is `training.cached_image_size`.

    Raises SettingsError for a smaller one, and for a way of resizing that open_clip has not.
    """
    height, width = preprocess["size"]
    side = min(height, width)
    if cached_image_size and cached_image_size < side:
        raise SettingsError(
            f"training.cached_image_size is {cached_image_size}, less than the {side} pixels that the model sees. Set it to "
            f"{side} or more, such as {round(side * 8 / 7)}, or to 0."
        )
    mode, interpolation = preprocess["resize_mode"], preprocess.get("interpolation", "bicubic")
    if interpolation == "random":  # of a training; open_clip evaluates with bicubic
        interpolation = "bicubic"
    for value, known, what in ((mode, RESIZE_MODES, "resize_mode"), (interpolation, INTERPOLATIONS, "interpolation")):
        if value not in known:
            raise SettingsError(
                f"The model's preprocess_cfg has the {what} {str(value)[:40]!r}, expected {' or '.join(known)}. Correct its open_clip_config.json."
            )
    enlarged = (cached_image_size or side) / side
    height, width = round(height * enlarged), round(width * enlarged)
    fill = int(preprocess.get("fill_color") or 0) if mode == "longest" else 0
    return ImageFormat(height, mode, 0 if width == height else width, interpolation, fill)


def prepared_image(content: bytes, wanted: ImageFormat) -> np.ndarray:
    """(H, W, 3) uint8 of a photo's file: what the model's own preprocessing gives before it normalises. Raises ImageError."""
    if wanted.square is None:
        return _steps(wanted).image(content)
    with decoded(content) as pixels:
        return fit_square(pixels, wanted.square)


@lru_cache(maxsize=4)
def _steps(wanted: ImageFormat) -> Preprocessing:
    said = {"resize_mode": wanted.resize_mode, "interpolation": wanted.interpolation, "fill_color": wanted.fill_color}
    return preprocessing_of(preprocess_steps({"size": list(wanted.shape), **said}))
