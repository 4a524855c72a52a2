"""What the beginning of an image's file says: its size, and the memory and time that decoding it will take."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_PARTS = 20_000
"""Segments, chunks or blocks that a file may have before its pixels: Pillow reads each in Python, several microseconds long. PNGs of
30 MB have 3,700 (8 kB each, libpng's default)."""


class CostlyImage(ValueError):
    """An image that is decoded nowhere: the message says what it would take."""


@dataclass(frozen=True)
class ImageHeader:
    """The cost of decoding one file, read from its header.

    width, height: pixels, as they lie in the file. pixel_bytes: memory for each pixel that comes out of the decoder, at its worst
    moment: the decoder's own, Pillow's, and the array. fixed_bytes: memory that does not shrink where a JPEG is decoded at a part of its
    size, such as the coefficients of one in several scans. seconds: processor time, estimated high (one slow core). content: the
    file for the decoder, without metadata that would cost more than the image.
    """

    kind: str
    width: int
    height: int
    pixel_bytes: float
    content: bytes
    seconds: float = 0.0
    fixed_bytes: int = 0

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    def memory(self, times: int = 1) -> int:
        """Bytes that decoding takes, at a `times`-th of each side."""
        reduced = math.ceil(self.width / times) * math.ceil(self.height / times)
        return int(self.fixed_bytes + self.pixel_bytes * reduced)


def too_many_parts(most: int, what: str) -> CostlyImage:
    """The error for a file that is cut into so many pieces that reading them takes longer than the image."""
    return CostlyImage(f"it has more than {most:,} {what}")
