"""What a photo looks like in a few numbers: hash and thumbnail for near-duplicates, and how much of it is text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clip_pipeline.images.dedupe import colour_thumbnail, perceptual_hash
from clip_pipeline.images.download.text_share import text_share

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 64
"""Hash and thumbnail are taken of the image shrunk by a whole number to no less than this: 0.13 ms a photo instead of
0.27, and the hash differs in 0 to 2 of 64 bits (256 x 341 pixels, 2026-11-21)."""


def image_signature(image: Image.Image) -> dict[str, Any]:
    """phash (64 bits), thumbnail (192 bytes) and text_share (0 to 1) of an RGB image."""
    factor = min(image.size) // MIN_SIDE
    small = image.reduce(factor) if factor > 1 else image
    return {
        "phash": perceptual_hash(small),
        "thumbnail": colour_thumbnail(small),
        "text_share": text_share(image),
    }
