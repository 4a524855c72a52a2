"""Whether the scans of a JPEG hold all of its image, by what they say of themselves."""

from __future__ import annotations

from clip_pipeline.pixels.headers.jpeg import FRAMES, SOS, JpegHeader, segments_of

COEFFICIENTS = 64
UNKNOWN_BITS = 14
"""Bits of a coefficient of which nothing was said yet; more than any has."""


def are_all_there(header: JpegHeader) -> bool:
    """Whether each component has a scan, and of a progressive JPEG each coefficient all of its bits (ITU T.81, G.1.1.1): one that was cut
    between two scans is a whole file of a blurred image."""
    frame = next(start for marker, start, _ in header.segments if marker in FRAMES)
    ids = [header.original[frame + 10 + 3 * n] for n in range(len(header.frame.components))]
    missing_bits = {name: [UNKNOWN_BITS] * COEFFICIENTS for name in ids}
    try:
        for marker, start, end in segments_of(header.original, header.first_scan):
            if marker != SOS:
                continue
            body = header.original[start + 4 : end]
            count = body[0]
            first, last, approximation = body[1 + 2 * count : 4 + 2 * count]
            if not header.is_progressive:
                first, last, approximation = 0, COEFFICIENTS - 1, 0
            for name in body[1 : 1 + 2 * count : 2]:
                missing_bits[name][first : last + 1] = [approximation & 15] * (last + 1 - first)
    except (ValueError, IndexError, KeyError):  # cut within a segment, or a scan of no component
        return False
    return not any(any(bits) for bits in missing_bits.values())
