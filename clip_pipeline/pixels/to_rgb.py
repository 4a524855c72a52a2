"""Any kind of pixels as 8-bit RGB: palettes, transparency, gray, CMYK, 16 bits and more, floats; of files and of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.pixels.color_profiles import cmyk_or_gray_to_srgb

if TYPE_CHECKING:
    from PIL import Image

TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
WIDE_MODES = ("I", "F")
"""Beginnings of the modes whose values Pillow would cut off at 255 instead of scaling: 16 and 32 bits, floats."""

BITS_TAG, GRAY_TAG = 258, 262
"""Of a TIFF: bits a sample; 0 where the smallest value is white."""

MAX_16_BITS = 65535
BAND_PIXELS = 1 << 20
ARRAY_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def rgb_of_image(image: Image.Image, follow_profile: bool = False) -> np.ndarray:
    """(H, W, 3) uint8 of an opened image, as it lies in its file; transparency on white.

    16 bits keep their upper eight, as Pillow does with 16-bit colours. follow_profile: convert CMYK and gray by their colour
    profile where they have one; open_clip does not. Photoshop's CMYK JPEGs, which are stored inverted, come right from the
    decoder. Raises ValueError for values of an unknown range.
    """
    if image.mode.startswith("I;"):
        return _in_bands(image, _rgb_of_wide_gray)
    if image.mode.startswith(WIDE_MODES):
        return _rgb_of_wide_gray(image)  # looks at the whole range of its values
    return _in_bands(image, lambda band: _rgb_of_bytes(band, follow_profile))


def _in_bands(image: Image.Image, rgb_of: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """What `rgb_of` makes of the image, a band after the other: its steps between (RGBA, white paper, copies) take up to 20 bytes a
    pixel, which a large image would take for all its pixels at a time."""
    if image.width * image.height <= BAND_PIXELS:
        return rgb_of(image)
    rows = np.empty((image.height, image.width, 3), np.uint8)
    step = max(BAND_PIXELS // image.width, 1)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        band = image.crop((0, top, image.width, bottom))
        for name in ("format", "tag_v2"):
            if hasattr(image, name):
                setattr(band, name, getattr(image, name))
        rows[top:bottom] = rgb_of(band)
    return rows


def _rgb_of_bytes(image: Image.Image, follow_profile: bool) -> np.ndarray:
    from PIL import Image

    if image.mode in TRANSPARENT_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        return np.array(Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB"))
    if follow_profile and image.mode in ("CMYK", "L"):
        return np.array(cmyk_or_gray_to_srgb(image))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def rgb_of_array(values: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8, contiguous, a copy, of an array (H, W) or (H, W, C): gray, gray and alpha, RGB, or RGBA (on white).

    Values: bytes, bool, whole numbers of 0 to 255 or else 0 to 65,535, floats of 0 to 1 or else 0 to 255 (`bytes_of`).
    Raises ValueError for another shape or range.
    """
    from PIL import Image

    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.shape[2] not in ARRAY_MODES or 0 in values.shape:
        shape = " x ".join(map(str, values.shape))
        raise ValueError(f"its shape is {shape}, and H x W or H x W x 1 to 4 was expected")
    small = bytes_of(values)
    if small.shape[2] == 3:
        return np.array(small, order="C")
    if small.shape[2] == 1:
        return np.repeat(small, 3, axis=2)
    return rgb_of_image(Image.fromarray(np.ascontiguousarray(small)))


def bytes_of(values: np.ndarray) -> np.ndarray:
    """uint8 of the same shape; the very array where it is uint8 already.

    uint16 and whole numbers above 255 keep the upper eight of 16 bits. Floats of 0 to 1 are multiplied by 255, of 0 to 255 rounded. An
    array says nothing of its range, so the largest value decides. Raises ValueError for other ranges and for NaN.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values * np.uint8(255)
    if values.dtype == np.uint16:
        return (values >> 8).astype(np.uint8)
    if values.dtype.kind in "iu":
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > MAX_16_BITS:
            raise ValueError(f"its values run from {low:,} to {high:,}, and 0 to 255 or 0 to 65,535 was expected")
        return (values if high <= 255 else values >> 8).astype(np.uint8)
    if values.dtype.kind != "f":
        raise ValueError(f"its values are {values.dtype}, and numbers were expected")
    if not np.isfinite(values).all():
        raise ValueError("some of its values are not numbers (NaN or infinite)")
    least, most = float(values.min()), float(values.max())
    if least < 0 or most > 255:
        raise ValueError(f"its values run from {least:g} to {most:g}, and 0 to 1 or 0 to 255 was expected")
    return (values * (255 if most <= 1 else 1) + 0.5).astype(np.uint8)


def _rgb_of_wide_gray(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;"):
        # Pillow reads 12 bits as they are, and 16-bit gray that begins with white too
        small = (values >> max(tags.get(BITS_TAG, (16,))[0] - 8, 0)).astype(np.uint8)
    elif image.format == "PPM":
        small = (values >> 8).astype(np.uint8)  # scaled to 16 bits by Pillow, however dark it is
    else:
        small = bytes_of(values)
    if tags.get(GRAY_TAG) == 0:
        small = 255 - small
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        small = np.where(values == transparent, np.uint8(255), small)
    return np.repeat(small[:, :, None], 3, axis=2)
