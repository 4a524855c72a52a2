"""The blocks of a GIF (GIF89a)."""

from __future__ import annotations

import struct

from clip_pipeline.pixels.headers.header import MAX_PARTS, ImageHeader, too_many_parts

EXTENSION, IMAGE, GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9
PIXEL_BYTES = 9
"""One of the palette's index, four where the image has its own colours, and the array."""

PIXELS_A_SECOND = 20e6


def read_gif(content: bytes) -> ImageHeader:
    """Raises ValueError for what is no GIF, CostlyImage for one with endless comments."""
    if len(content) < 13:
        raise ValueError("it ends within its header")
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at = 13 + (3 * (2 << (flags & 7)) if flags & 0x80 else 0)
    head, control, dropped, parts = content[:at], b"", False, 0
    while at < len(content) and content[at] == EXTENSION:
        start, is_control = at, content[at + 1 : at + 2] == bytes([GRAPHIC_CONTROL])
        at += 2
        while at < len(content) and content[at]:
            at += 1 + content[at]
            parts += 1
            if parts > MAX_PARTS:
                raise too_many_parts(MAX_PARTS, "blocks before its pixels")
        at += 1
        if is_control:
            control = content[start:at]
        dropped = dropped or not is_control
    if at + 10 > len(content) or content[at] != IMAGE:
        raise ValueError("it ends before its pixels")
    left, top, wide, high = struct.unpack_from("<HHHH", content, at + 1)
    width, height = max(width, left + wide), max(height, top + high)
    return ImageHeader(
        kind="GIF",
        width=width,
        height=height,
        pixel_bytes=PIXEL_BYTES,
        content=b"".join((head, control, content[at:])) if dropped else content,
        seconds=width * height / PIXELS_A_SECOND,
    )
