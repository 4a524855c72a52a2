"""Sizes and costs of the kinds that are seldom met: AVIF, JPEG 2000, BMP, PPM."""

from __future__ import annotations

import re
import struct

from clip_pipeline.pixels.headers.exif import is_bounded
from clip_pipeline.pixels.headers.header import MAX_PARTS, CostlyImage, ImageHeader

AVIF_PIXEL_BYTES, AVIF_PIXELS_A_SECOND = 20, 10e6
_TIFF_START = re.compile(rb"II\*\0|MM\0\*")

JPEG2000_PIXELS_A_SECOND = 4e6
TILE_BYTES, TILE_COMPONENT_BYTES = 6_000, 1_200
BLOCK_BYTES, PRECINCT_BYTES = 300, 700
"""What openjpeg keeps for each tile, tile and component, code block and precinct, whatever they hold."""

PYTHON_SECONDS = 1e-6
"""For each byte or value that Pillow decodes in Python: runs of a BMP, values of a PPM that do not end at 255."""

RUN_LENGTHS = (1, 2)


def read_avif(content: bytes) -> ImageHeader:
    """The largest of the sizes (`ispe`) that the file speaks of. Raises ValueError without any."""
    sizes: list[tuple[int, int]] = []
    at = content.find(b"ispe")
    while at >= 0 and len(sizes) <= MAX_PARTS:
        if at + 16 <= len(content):
            sizes.append(struct.unpack_from(">II", content, at + 8))
        at = content.find(b"ispe", at + 4)
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if 0 in (width, height):
        raise ValueError("it says no size")
    for number, found in enumerate(_TIFF_START.finditer(content)):  # where EXIF may begin
        if number > 100 or not is_bounded(content[found.start() : found.start() + (1 << 20)]):
            raise CostlyImage("its EXIF holds more than it has bytes")
    seconds = width * height / AVIF_PIXELS_A_SECOND
    return ImageHeader("AVIF", width, height, AVIF_PIXEL_BYTES, content, seconds, 16 << 20)


def read_jpeg2000(content: bytes) -> ImageHeader:
    """By the codestream, which the decoder follows, not by the boxes around it (ISO/IEC 15444-1, annex A)."""
    at = content.find(b"\xff\x4f\xff\x51")
    if at < 0 or at + 42 > len(content):
        raise ValueError("it says no size")
    right, bottom, left, top, wide, high, from_x, from_y, components = struct.unpack_from(">IIIIIIIIH", content, at + 8)
    width, height = right - left, bottom - top
    if width <= 0 or height <= 0 or 0 in (wide, high, components):
        raise ValueError(f"its header says {width} x {height} pixels in tiles of {wide} x {high}")
    tiles = -(-(right - from_x) // wide) * -(-(bottom - from_y) // high)
    pixels = width * height
    block, precinct, levels, layers = _coding(content, at)
    blocks = components * max(pixels // block, tiles * levels)
    precincts = components * max(2 * pixels // precinct, tiles * levels)
    own = tiles * (TILE_BYTES + TILE_COMPONENT_BYTES * components)
    own += blocks * BLOCK_BYTES + precincts * (PRECINCT_BYTES + 2 * layers)
    return ImageHeader(
        kind="JPEG2000",
        width=width,
        height=height,
        pixel_bytes=7 + 6 * components,
        content=content,
        seconds=pixels * components / (3 * JPEG2000_PIXELS_A_SECOND) + (blocks + precincts + tiles) * 2e-6,
        fixed_bytes=own,
    )


def _coding(content: bytes, at: int) -> tuple[int, int, int, int]:
    """Pixels of a code block and of the smallest precinct, levels, layers, by the first COD segment."""
    found = content.find(b"\xff\x52", at, at + 100_000)
    if found < 0 or found + 14 > len(content):
        return 4096, 1 << 30, 6, 1
    style, layers, levels, wide, high = struct.unpack_from(">BxHxBBB", content, found + 4)
    precinct = 1 << 30
    if style & 1 and (sizes := content[found + 14 : found + 15 + levels]):
        precinct = min(1 << ((size & 15) + (size >> 4)) for size in sizes)
    return min(1 << (wide + 2 + high + 2), precinct), precinct, levels + 1, layers


def read_bmp(content: bytes) -> ImageHeader:
    """Raises ValueError for a header that is cut."""
    if len(content) < 54 and content[14:18] != b"\x0c\0\0\0":
        raise ValueError("it ends within its header")
    if content[14:18] == b"\x0c\0\0\0":
        (width, height), bits, packing = struct.unpack_from("<HH", content, 18), content[24], 0
    else:
        width, height = struct.unpack_from("<ii", content, 18)
        bits, packing = struct.unpack_from("<HI", content, 28)
    width, height = abs(width), abs(height)
    if 0 in (width, height):
        raise ValueError(f"its header says {width} x {height} pixels")
    seconds = width * height / 50e6 + (len(content) * PYTHON_SECONDS if packing in RUN_LENGTHS else 0)
    return ImageHeader("BMP", width, height, 7 if bits > 8 else 6, content, seconds)


def read_ppm(content: bytes) -> ImageHeader:
    """Raises ValueError for a header without three numbers."""
    text = re.sub(rb"#[^\r\n]*[\r\n]", b" ", content[:1024])
    numbers = re.match(rb"P[56]\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s", text)
    if numbers is None:
        raise ValueError("its header says no size")
    width, height, most = (int(number) for number in numbers.groups())
    if 0 in (width, height):
        raise ValueError(f"its header says {width} x {height} pixels")
    channels = 3 if content[1:2] == b"6" else 1
    slow = most not in (255, 65535) or (most == 65535 and channels == 3)
    seconds = width * height * (channels * PYTHON_SECONDS if slow else 1 / 50e6)
    wide = channels == 1 and most > 255
    return ImageHeader("PPM", width, height, 30 if wide else 11 if slow else 7, content, seconds)
