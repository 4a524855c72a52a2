"""Any picture as sRGB: palettes, transparency, gray, 16 bits, CMYK, and colour profiles."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")


def as_rgb(picture: Image.Image) -> Image.Image:
    """RGB from any mode: transparency on white, 16 bits to 8, CMYK, gray and palettes converted.

    CMYK and gray are converted by their colour profile where they have one; what is RGB already is not (`profile_to_srgb`
    does that, on the smaller picture). Photoshop's CMYK JPEGs, which are stored inverted, come right from the decoder.
    """
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I"):  # 16 or 32 bits of gray: Pillow would cut off instead of scaling
        deep = np.asarray(picture)
        picture = Image.fromarray(np.clip(deep >> 8, 0, 255).astype(np.uint8))
    if picture.mode in TRANSPARENT_MODES or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    if picture.mode in ("CMYK", "L"):
        transform = _transform(picture.info.get("icc_profile") or b"", picture.mode)
        if transform is not None:
            return transform.apply(picture)
    return picture.convert("RGB")


def profile_to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """An RGB picture whose colours are meant in `profile`, in sRGB. A broken profile, or one of other colours, is ignored."""
    transform = _transform(profile, "RGB")
    return picture if transform is None else transform.apply(picture)


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
