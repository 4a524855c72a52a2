"""Image files of kinds that Pillow does not write, byte by byte from their specifications."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """The file that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(samples: np.ndarray, transparent: tuple[int, ...] = ()) -> bytes:
    """A PNG of (H, W) or (H, W, C) uint8 or uint16: gray, gray and alpha, RGB, RGBA. transparent: the colour that is no colour
    (tRNS), a number a channel."""
    height, width, channels = (*samples.shape, 1)[:3]
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = samples.astype(f">u{samples.itemsize}").reshape(height, -1)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, color_type, 0, 0, 0))]
    if transparent:
        chunks.append((b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)))
    chunks += [(b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def bare_png(width: int, height: int, color: int, depth: int = 8, data: bytes = b"") -> bytes:
    """A PNG that says its size and colour type and holds `data`, compressed, in the place of its pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))]
    if color == 3:
        chunks.append((b"PLTE", bytes(range(256)) * 3))
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def tiff(samples: np.ndarray, order: str = "<", white_is_zero: bool = False, bits: int = 0, turn: int = 1) -> bytes:
    """An uncompressed TIFF of (H, W) or (H, W, 3) numbers of any type. order: < or >. bits: 12 packs uint16 of 0 to 4,095, in an
    even number of columns. turn: the orientation that it notes."""
    height, width, channels = (*samples.shape, 1)[:3]
    if bits == 12:
        pairs = samples.reshape(-1, 2).astype(np.uint16)
        packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
        pixels = packed.astype(np.uint8).tobytes()
    else:
        bits, pixels = 8 * samples.itemsize, samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    photometric = 2 if channels == 3 else 0 if white_is_zero else 1
    head = 8 + len(pixels)
    tags = [
        *(
            (256, 4, (width,)),
            (257, 4, (height,)),
            (258, 3, (bits,) * channels),
            (259, 3, (1,)),
            (262, 3, (photometric,)),
        ),
        *((273, 4, (8,)), (274, 3, (turn,)), (277, 3, (channels,)), (278, 4, (height,)), (279, 4, (len(pixels),))),
        (339, 3, (SAMPLE_FORMATS[samples.dtype.kind],) * channels),
    ]
    entries, beyond = b"", b""
    for tag, kind, values in tags:
        body = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(body) > 4:
            place = struct.pack(f"{order}I", head + 2 + 12 * len(tags) + 4 + len(beyond))
            beyond += body
        else:
            place = body.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", head)
    return start + pixels + struct.pack(f"{order}H", len(tags)) + entries + b"\0\0\0\0" + beyond


def ycck_jpeg(image: Image.Image) -> bytes:
    """An RGB image as Photoshop writes it for print: inverted inks as YCC and K, which Adobe's segment says."""
    inks = Image.fromarray(255 - np.asarray(image)).convert("YCbCr")
    inverted = [band.point(lambda value: 255 - value) for band in inks.split()]
    content = encoded(
        Image.merge("CMYK", [*inverted, Image.new("L", image.size, 0)]), "JPEG", quality=95, subsampling=0
    )
    place = content.index(b"Adobe") + 11
    assert content[place] != 2, "Pillow says YCCK by itself now"
    return content[:place] + b"\2" + content[place + 1 :]
