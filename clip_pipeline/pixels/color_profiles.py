"""Colours that are meant in a profile, as sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image


def cmyk_or_gray_to_srgb(image: Image.Image) -> Image.Image:
    """RGB from CMYK or gray, by its colour profile where it has one. (`profile_to_srgb` does what is RGB, on the smaller image.)"""
    transform = _transform(image.info.get("icc_profile") or b"", image.mode)
    return image.convert("RGB") if transform is None else transform.apply(image)


def profile_to_srgb(image_HW3: np.ndarray, profile: bytes) -> np.ndarray:
    """RGB whose colours are meant in `profile`, in sRGB. A broken profile, or one of other colours, is ignored."""
    from PIL import Image

    transform = _transform(profile, "RGB")
    return image_HW3 if transform is None else np.array(transform.apply(Image.fromarray(image_HW3)))


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
