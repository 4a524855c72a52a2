"""The chunks of a WebP (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from clip_pipeline.pixels.headers.header import MAX_PARTS, ImageHeader, too_many_parts

PIXEL_BYTES = 18
"""Two canvases of libwebp, its frame, the copy that Pillow takes of it, Pillow's image and the array."""

PIXELS_A_SECOND = 15e6
FIRST_CHUNK = 12


def chunks_of(content: bytes, at: int = FIRST_CHUNK) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the chunks, the last of which may be cut; padding belongs to them. Ends where RIFF says."""
    last = min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while at + 8 <= last:
        name, size = struct.unpack_from("<4sI", content, at)
        end = min(at + 8 + size + size % 2, len(content))
        yield name, at, end
        at = end


def read_webp(content: bytes) -> ImageHeader:
    """Raises ValueError for what is no WebP, CostlyImage for one of too many frames."""
    sizes = []
    for number, (name, start, _) in enumerate(chunks_of(content)):
        if (size := _size(name, content[start + 8 : start + 26])) is not None:
            sizes.append(size)
        if number > MAX_PARTS:
            raise too_many_parts(MAX_PARTS, "frames and other chunks")
    if not sizes:
        raise ValueError("it says no size")
    width, height = sizes[0]
    most = max(w * h for w, h in sizes)  # a frame may claim to be larger than the image
    return ImageHeader(
        kind="WEBP",
        width=width,
        height=height,
        pixel_bytes=PIXEL_BYTES,
        content=content,
        seconds=2 * most / PIXELS_A_SECOND,
        fixed_bytes=PIXEL_BYTES * max(most - width * height, 0),
    )


def _size(name: bytes, body: bytes) -> tuple[int, int] | None:
    """(width, height) that a chunk speaks of."""
    if name == b"VP8X" and len(body) >= 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if name == b"ANMF" and len(body) >= 12:
        return int.from_bytes(body[6:9], "little") + 1, int.from_bytes(body[9:12], "little") + 1
    if name == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 " and len(body) >= 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None
