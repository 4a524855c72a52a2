"""Whether EXIF can be read without harm: a block of 60 kB may name itself as the value of 5,000 tags."""

from __future__ import annotations

import struct

MAX_EXIF_BYTES = 1 << 20
"""Cameras write up to 64 kB, the most that a segment of a JPEG holds; some go on in a second one."""

PREFIX = b"Exif\0\0"
VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of one value by the type of the tag (TIFF 6.0, section 2)."""


def is_bounded(block: bytes) -> bool:
    """False for a block that says more than it holds: its first folder's values together are longer than the block itself."""
    while block.startswith(PREFIX):
        block = block[len(PREFIX) :]
    if len(block) > MAX_EXIF_BYTES:
        return False
    return values_bytes(block) <= len(block)


def values_bytes(block: bytes) -> int:
    """Bytes of all values of the first folder (IFD0) of a TIFF or EXIF, as it says; 0 where it has none. Those that would lie beyond the
    end are not counted, for nobody reads them."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return 0
    place = struct.unpack_from(f"{order}I", block, 4)[0]
    if place + 2 > len(block):
        return 0
    count = struct.unpack_from(f"{order}H", block, place)[0]
    table = block[place + 2 : place + 2 + 12 * count]
    total = 0
    for _, kind, values, at in struct.iter_unpack(f"{order}HHII", table[: len(table) // 12 * 12]):
        size = VALUE_BYTES.get(kind, 0) * values
        if size > 4 and at + size <= len(block):
            total += size
    return total
