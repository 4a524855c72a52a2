"""The first folder of tags of a TIFF (TIFF 6.0)."""

from __future__ import annotations

import struct

from clip_pipeline.pixels.headers.exif import VALUE_BYTES, values_bytes
from clip_pipeline.pixels.headers.header import CostlyImage, ImageHeader

WIDTH, HEIGHT, BITS, COMPRESSION, SAMPLES, ROWS_A_STRIP = 256, 257, 258, 259, 277, 278
TILE_WIDTH, TILE_HEIGHT, SAMPLE_FORMAT = 322, 323, 339
LZMA = 34925
"""Its dictionary may be of four gigabytes, whatever the image is."""

WIDE_PIXEL_BYTES, PIXEL_BYTES = 22, 11
"""Of 32-bit numbers and floats, whose range has to be looked at; of all others: Pillow's four, four more while it is turned upright,
and the array."""

BYTES_A_SECOND = 60e6
PART_SECONDS = 50e-6
"""Of each strip or tile, which Pillow reads one by one where they are not compressed. A colour may have strips of its own."""


def read_tiff(content: bytes) -> ImageHeader:
    """Raises ValueError for what is no TIFF, CostlyImage for one whose tags say more than the file holds."""
    tags = _tags(content)
    width, height = tags.get(WIDTH, 0), tags.get(HEIGHT, 0)
    if 0 in (width, height):
        raise ValueError("it says no size")
    if values_bytes(content) > len(content) + 4096:
        raise CostlyImage("its tags hold more than the file has bytes")
    if tags.get(COMPRESSION) == LZMA:
        raise CostlyImage("it is compressed with LZMA, whose memory nothing bounds")
    bits, samples = tags.get(BITS, 1), max(tags.get(SAMPLES, 1), 1)
    raw = bits * samples / 8
    wide_part = max(tags.get(TILE_WIDTH, width), 1)
    high_part = max(tags.get(TILE_HEIGHT, 1) if TILE_WIDTH in tags else min(tags.get(ROWS_A_STRIP, height), height), 1)
    parts = -(-width // wide_part) * -(-height // high_part) * samples
    wide = bits >= 32 or (bits == 16 and samples == 1) or tags.get(SAMPLE_FORMAT, 1) == 3
    return ImageHeader(
        kind="TIFF",
        width=width,
        height=height,
        pixel_bytes=WIDE_PIXEL_BYTES if wide else PIXEL_BYTES,
        content=content,
        seconds=width * height * raw / BYTES_A_SECOND + parts * PART_SECONDS,
        fixed_bytes=int(2 * wide_part * high_part * raw),
    )


def _tags(content: bytes) -> dict[int, int]:
    """The first number of each tag that has one."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None or len(content) < 8:
        raise ValueError("it ends within its header")
    place = struct.unpack_from(f"{order}I", content, 4)[0]
    if place + 2 > len(content):
        raise ValueError("its tags lie behind its end")
    count = struct.unpack_from(f"{order}H", content, place)[0]
    found: dict[int, int] = {}
    for at in range(place + 2, min(place + 2 + 12 * count, len(content) - 11), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", content, at)
        code = {1: "B", 3: "H", 4: "I"}.get(kind)
        if code is None or values == 0:
            continue
        if VALUE_BYTES[kind] * values > 4:
            at = struct.unpack_from(f"{order}I", content, at + 8)[0] - 8
            if at + 16 > len(content):
                continue
        found[tag] = struct.unpack_from(f"{order}{code}", content, at + 8)[0]
    return found
