"""A JPEG without anything beside its image, its scans untouched: no pixel changes by it."""

from __future__ import annotations

from clip_pipeline.pixels.headers.jpeg import (
    ADOBE,
    APP0,
    APP14,
    EOI,
    FRAMES,
    JFIF,
    NEEDED,
    SOS,
    JpegHeader,
    end_of_scan,
    segments_of,
)

JFIF_BYTES, ADOBE_BYTES = 14, 12
"""What the decoder reads of both, identifier included; behind it JFIF may hold a thumbnail."""

TABLE_BYTES, TABLE_BYTES_A_SCAN = 3_000, 1_000
"""Tables that an image needs at most; more are something else in their place (a table that is defined again is forgotten)."""


def jpeg_alone(header: JpegHeader) -> bytes | None:
    """The JPEG of the markers that its pixels need, in their order: frame, tables, scans, and of JFIF and Adobe's segment what says
    the colours. Metadata, comments, previews, further images and stray bytes are left out.

    None where that cannot be said for sure: no end, more scans than the frame needs, segments of odd lengths, or more tables than an image
    has. Bytes behind the last pixel of a scan are not looked for: libjpeg warns of them, and what it warns of is not kept as it is.
    """
    content, parts, scans, tables = header.original, [b"\xff\xd8"], 0, 0
    adobe: bytes | None = None
    jfif: bytes | None = None
    end = 2
    for marker, start, end in segments_of(content, 2):
        body = content[start + 4 : end]
        if marker == APP0 and body.startswith(JFIF) and len(body) >= JFIF_BYTES:
            jfif = jfif or _segment(APP0, body[: JFIF_BYTES - 2] + b"\0\0")
        elif marker == APP14 and body.startswith(ADOBE) and len(body) >= ADOBE_BYTES:
            adobe = _segment(APP14, body[:ADOBE_BYTES]) if not scans else adobe
        elif marker == SOS:
            if not body or len(body) != 4 + 2 * body[0]:
                return None
            after = end_of_scan(content, end)
            parts.append(content[start:after])
            scans, end = scans + 1, after
        elif marker in NEEDED:
            if marker in FRAMES and len(body) != 6 + 3 * len(header.frame.components):
                return None
            tables += len(body)
            parts.append(content[start:end])
    whole = content.find(bytes((0xFF, EOI)), end) >= 0
    enough = scans <= len(header.frame.components) or header.is_progressive
    if not whole or not enough or tables > TABLE_BYTES + TABLE_BYTES_A_SCAN * scans:
        return None
    parts[1:1] = [part for part in (jfif, adobe) if part is not None]
    return b"".join((*parts, b"\xff\xd9"))


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
