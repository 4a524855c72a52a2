"""The chunks of a PNG (ISO/IEC 15948)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from clip_pipeline.pixels.headers.exif import is_bounded
from clip_pipeline.pixels.headers.header import MAX_PARTS, ImageHeader, too_many_parts

START = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples a pixel by colour type."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
READ_TEXTS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
"""The texts that say how the image lies."""

MAX_TEXT, MAX_PROFILE = 1 << 20, 8 << 20
BYTES_A_SECOND = 60e6
"""Inflated and unfiltered; zlib on a slow core."""


def chunks_of(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the whole chunks, the last of which is IEND or the last that is not cut."""
    at = len(START)
    while at + 12 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        end = at + 12 + size
        if end > len(content):
            return
        yield name, at, end
        if name == b"IEND":
            return
        at = end


def read_png(content: bytes) -> ImageHeader:
    """Raises ValueError for what is no PNG, CostlyImage for one in too many pieces."""
    if content[12:16] != b"IHDR" or len(content) < 29:
        raise ValueError("it does not begin with its header")
    width, height, depth, color = struct.unpack_from(">IIBB", content, 16)
    if color not in CHANNELS or 0 in (width, height):
        raise ValueError(f"its header says {width} x {height} pixels of colour type {color}")
    raw = CHANNELS[color] * depth / 8
    return ImageHeader(
        kind="PNG",
        width=width,
        height=height,
        pixel_bytes=_pixel_bytes(color, depth),
        content=_for_the_decoder(content),
        seconds=width * height * (raw / BYTES_A_SECOND + 1 / 50e6),
        fixed_bytes=4 * int(width * raw),
    )


def _pixel_bytes(color: int, depth: int) -> float:
    if color == 0 and depth == 16:
        return 8  # Pillow's two, its copy as an array, and what is made of that
    return (1 if color in (0, 3) else 4) + 3.5


def _for_the_decoder(content: bytes) -> bytes:
    """The file without texts, and without EXIF and a profile that are larger than they should be."""
    spans, dropped, end = [], False, 0
    for parts, (name, start, end) in enumerate(chunks_of(content)):
        if _is_harmless(content, name, start, end):
            spans.append((start, end))
        else:
            dropped = True
        if parts > MAX_PARTS:
            raise too_many_parts(MAX_PARTS, "chunks")
    if not dropped:
        return content
    rest = content[end:]  # of a PNG that is cut: what the decoder finds there is its own to say
    return b"".join((content[: len(START)], *(content[start:end] for start, end in spans), rest))


def _is_harmless(content: bytes, name: bytes, start: int, end: int) -> bool:
    if name in TEXTS:
        return end - start <= MAX_TEXT and any(content.startswith(text, start + 8) for text in READ_TEXTS)
    if name == b"eXIf":
        return is_bounded(content[start + 8 : end - 4])
    return name != b"iCCP" or end - start <= MAX_PROFILE
