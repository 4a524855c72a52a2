"""A photo's bytes into pixels, upright, as RGB, and at a half, quarter or eighth of its size where nothing is lost by it."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, NotImplementedError, MemoryError, struct.error, zlib.error),
)
"""What Pillow's decoders raise for damaged files. One that got past would end a whole shard; of 207,373 files
damaged at random, 9 TIFFs raised a TypeError (measured 2026-11-21)."""


REDUCED_FROM = 3.0
"""Times what the model sees that the shorter side must still have after the reduction. libjpeg's reduction is a plain mean
of pixels; with three of them for each one that the filter makes, embeddings of large web photos keep a cosine of 0.99985 or
more to open_clip's own, with two 0.9986 (two models trained here, 48 and 64 pixels, 95 photos, 2026-11-21)."""

REDUCTIONS = (8, 4, 2)
ORIENTATION_TAG = 0x0112
EXIF_MARK = b"Exif\x00\x00"
HEAD_BYTES = 1 << 17
"""EXIF is among the first segments of a JPEG, each of which is shorter than 64 KB."""

PLAIN_COLOURS = ("YCbCr", "Gray")
"""Kinds of JPEG whose pixels libjpeg gives as Pillow does; CMYK and files that hold RGB are left to Pillow."""

TURNS = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
"""For each EXIF orientation: rows and columns swapped, then left and right, then top and bottom."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Pixels:
    """rows_HW3: uint8. box: left, top, right and bottom of the photo in them: whole numbers, but where odd sides were halved.
    size: (width, height) of the photo itself, upright."""

    rows_HW3: np.ndarray
    box: Box
    size: tuple[int, int]


def decode(content: bytes | np.ndarray, side: int | None) -> Pixels:
    """The pixels of a photo's file, or of an array (H, W) or (H, W, 3) of bytes.

    side: the shorter side that is wanted, in pixels; a JPEG that is REDUCED_FROM times as large, or twice or four times
    that, is decoded at a half, quarter or eighth. None decodes whole. EXIF turns it upright and transparency becomes white,
    which open_clip leaves to its caller. Raises one of DECODER_ERRORS, or DecompressionBombError, for bytes that are no photo.
    """
    if isinstance(content, np.ndarray):
        # a copy: pixels of a file that is mapped into memory cannot be written to, and the kernels take no others
        return _whole(np.array(content, order="C") if content.ndim == 3 else np.repeat(content[:, :, None], 3, axis=2))
    if content[:2] == b"\xff\xd8":
        with contextlib.suppress(ValueError):  # Pillow, below, forgives what is wrong with it or says it
            if pixels := _decode_jpeg(content, side):
                return pixels
    return _whole(np.array(_upright_image(content)))


def _whole(rows_HW3: np.ndarray) -> Pixels:
    height, width = rows_HW3.shape[:2]
    return Pixels(rows_HW3, (0.0, 0.0, float(width), float(height)), (width, height))


def _decode_jpeg(content: bytes, side: int | None) -> Pixels | None:
    """None for a JPEG that Pillow must look at."""
    import simplejpeg
    from PIL import Image

    height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    if colours not in PLAIN_COLOURS or width * height > (Image.MAX_IMAGE_PIXELS or width * height):
        return None
    times = next((n for n in REDUCTIONS if side and min(width, height) >= n * REDUCED_FROM * side), 1)
    least = {"min_height": -(-height // times), "min_width": -(-width // times)} if times > 1 else {}
    rows = simplejpeg.decode_jpeg(content, **least)
    pixels = Pixels(rows, (0.0, 0.0, width / times, height / times), (width, height))
    turn = TURNS.get(_orientation(content)) if EXIF_MARK in content[:HEAD_BYTES] else None
    return _turned(pixels, *turn) if turn else pixels


def _orientation(content: bytes) -> int:
    """What EXIF says of how the photo lies; 1, upright, where it says nothing or is damaged."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.getexif().get(ORIENTATION_TAG, 1)
    except DECODER_ERRORS:
        return 1


def _turned(pixels: Pixels, swapped: bool, mirrored: bool, upended: bool) -> Pixels:
    rows, (left, top, right, bottom), size = pixels.rows_HW3, pixels.box, pixels.size
    if swapped:
        rows, (left, top, right, bottom), size = rows.swapaxes(0, 1), (top, left, bottom, right), size[::-1]
    height, width = rows.shape[:2]
    if mirrored:
        rows, (left, right) = rows[:, ::-1], (width - right, width - left)
    if upended:
        rows, (top, bottom) = rows[::-1], (height - bottom, height - top)
    return Pixels(np.ascontiguousarray(rows), (left, top, right, bottom), size)


def _upright_image(content: bytes) -> Any:
    """By Pillow: whatever is no plain JPEG."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
            layer = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        return upright.convert("RGB")
