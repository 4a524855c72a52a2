"""The header of any kind of image that is decoded here."""

from __future__ import annotations

import struct
from collections.abc import Callable

from clip_pipeline.pixels.headers.gif import read_gif
from clip_pipeline.pixels.headers.header import ImageHeader
from clip_pipeline.pixels.headers.jpeg import read_jpeg
from clip_pipeline.pixels.headers.others import read_avif, read_bmp, read_jpeg2000, read_ppm
from clip_pipeline.pixels.headers.png import read_png
from clip_pipeline.pixels.headers.tiff import read_tiff
from clip_pipeline.pixels.headers.webp import read_webp

READERS: dict[str, Callable[[bytes], ImageHeader]] = {
    "JPEG": read_jpeg,
    "PNG": read_png,
    "WEBP": read_webp,
    "GIF": read_gif,
    "BMP": read_bmp,
    "TIFF": read_tiff,
    "AVIF": read_avif,
    "JPEG2000": read_jpeg2000,
    "PPM": read_ppm,
}
"""By `kinds.image_kind`."""


def read_header(kind: str, content: bytes) -> ImageHeader:
    """Size and cost of a file of that kind, nothing decoded. Raises ValueError for a damaged header, CostlyImage (which is one) for a
    file that is refused whatever its size."""
    try:
        return READERS[kind](content)
    except (struct.error, IndexError) as error:
        raise ValueError("its header is cut") from error
