"""Any image as sRGB: palettes, transparency, gray, 16 bits, CMYK, and colour profiles."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")


def as_rgb(image: Image.Image) -> Image.Image:
    """RGB from any mode: transparency on white, 16 bits to 8, CMYK, gray and palettes converted.

    CMYK and gray are converted by their colour profile where they have one; what is RGB already is not (`profile_to_srgb`
    does that, on the smaller image). Photoshop's CMYK JPEGs, which are stored inverted, come right from the decoder.
    """
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 or 32 bits of gray: Pillow would cut off instead of scaling
        deep = np.asarray(image)
        image = Image.fromarray(np.clip(deep >> 8, 0, 255).astype(np.uint8))
    if image.mode in TRANSPARENT_MODES or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if image.mode in ("CMYK", "L"):
        transform = _transform(image.info.get("icc_profile") or b"", image.mode)
        if transform is not None:
            return transform.apply(image)
    return image.convert("RGB")


def profile_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """An RGB image whose colours are meant in `profile`, in sRGB. A broken profile, or one of other colours, is ignored."""
    transform = _transform(profile, "RGB")
    return image if transform is None else transform.apply(image)


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> Any:
    """The way from a profile to sRGB; None where there is nothing to do. A crawl meets few profiles, many times each."""
    if not profile:
        return None
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        colours = opened.profile.xcolor_space.strip()
        if mode == "RGB" and "sRGB" in (opened.profile.profile_description or ""):
            return None
        if colours != {"L": "GRAY"}.get(mode, mode):
            return None
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
