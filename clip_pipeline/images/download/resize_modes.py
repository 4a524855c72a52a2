"""What size a photo is stored in: the modes of `download.resize`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_pipeline.pixels.resize import resize_rgb
from clip_pipeline.settings import DownloadSettings

WHITE = 255


@dataclass(frozen=True)
class Frame:
    """How an upright photo becomes the stored one. width, height: of the scaled part, in pixels. cut: the side of the square
    that is taken from the middle before scaling, 0 for none. bars: the side of the white square behind it, 0 for none.
    """

    width: int
    height: int
    cut: int = 0
    bars: int = 0

    def turned(self) -> Frame:
        """The same for a photo that lies on its side."""
        return Frame(self.height, self.width, self.cut, self.bars)


def frame_of(width: int, height: int, settings: DownloadSettings) -> Frame:
    """The frame of an upright photo of that size; one of the same size and without `cut` leaves it as it is.

    With `only_if_bigger` a photo stays as it is when its shorter side (shorter_side, crop), or its longer one (longest_side,
    pad, squash), is no larger than `image_size`.
    """
    mode, size = settings.resize, settings.image_size
    measured = min(width, height) if mode in ("shorter_side", "crop") else max(width, height)
    if mode == "original" or (settings.only_if_bigger and measured <= size):
        return Frame(width, height)
    if mode == "crop":
        return Frame(size, size, cut=min(width, height))
    if mode == "squash":
        return Frame(size, size)
    scaled = Frame(max(1, round(width * size / measured)), max(1, round(height * size / measured)))
    return Frame(scaled.width, scaled.height, bars=size) if mode == "pad" else scaled


def put_in_frame(image_HW3: np.ndarray, frame: Frame) -> np.ndarray:
    """The image cut and scaled; the bars come with `put_on_bars`, once it is upright."""
    H, W, _ = image_HW3.shape
    if frame.cut:
        side = min(W, H)  # not frame.cut: the decoder may have scaled already
        top, left = (H - side) // 2, (W - side) // 2
        image_HW3 = image_HW3[top : top + side, left : left + side]
    if (frame.height, frame.width) == image_HW3.shape[:2]:
        return image_HW3
    return resize_rgb(image_HW3, frame.width, frame.height)


def put_on_bars(image_HW3: np.ndarray, side: int) -> np.ndarray:
    """The image in the middle of a white square."""
    H, W, _ = image_HW3.shape
    square = np.full((side, side, 3), WHITE, np.uint8)
    top, left = (side - H) // 2, (side - W) // 2
    square[top : top + H, left : left + W] = image_HW3
    return square
