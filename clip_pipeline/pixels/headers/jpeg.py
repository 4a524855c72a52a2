"""The segments of a JPEG (ITU T.81, annex B): its frame, its scans, and what lies beside the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from clip_pipeline.pixels.headers.exif import MAX_EXIF_BYTES, is_bounded
from clip_pipeline.pixels.headers.header import CostlyImage, ImageHeader, too_many_parts

MARK = 0xFF
SOI, EOI, SOS, DQT, DHT, DAC, DRI, DNL, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xCC, 0xDD, 0xDC, 0xFE
APP0, APP1, APP2, APP14, APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, DAC}
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
BARE = frozenset((0x01, SOI, *range(0xD0, 0xD8)))
"""Markers without a segment behind them."""

UNKNOWN = frozenset((*range(0x02, 0xC0), 0xC8, *range(0xF0, COM)))
"""Markers over which libjpeg gives up."""

NEEDED = frozenset((DQT, DHT, DAC, DRI, *FRAMES))
"""Segments without which no pixel comes out."""

END_MARK = bytes((MARK, EOI))

MAX_SEGMENTS = 2_000
"""Before the first scan, and from there on: 30 MB of metadata are 460 segments."""

MAX_PROFILE_BYTES = 4 << 20
"""Colour profiles of presses have up to three megabytes; larger ones are not looked at."""

MAX_SCANS = 100
"""Encoders write up to 13 (mozjpeg). libtiff and djpeg's `-maxscans` in its tests draw the line here too."""

PIXEL_BYTES = 7
"""Four of Pillow, where libjpeg's own reading fails, and three of the array."""

PIXELS_A_SECOND, SCAN_PIXELS_A_SECOND, BYTES_A_SECOND = 50e6, 400e6, 8e6
"""Of a slow core: what an image takes, what each further scan takes though it holds nothing, and what its bytes take. (60 megapixels in
ten scans and 9.5 MB took 0.8 s at an eighth of the size, 2026-12-01; this says 3.7.)"""

ARITHMETIC_SLOWER = 5
WITHOUT_END_SLOWER = 4
"""It is decoded up to three times more, to see whether more is missing (`jpeg_end`)."""

JFIF, ADOBE, EXIF, ICC, XMP = b"JFIF\0", b"Adobe", b"Exif\0\0", b"ICC_PROFILE\0", b"http://ns.adobe.com/xap/1.0/\0"
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True)
class Frame:
    """marker: which SOF. components: of each its horizontal and vertical sampling."""

    marker: int
    precision: int
    width: int
    height: int
    components: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class JpegHeader(ImageHeader):
    """segments: marker, start and end (of the marker itself, and behind the segment) of all before the first scan. first_scan: where
    its marker lies."""

    frame: Frame = field(kw_only=True)
    segments: tuple[tuple[int, int, int], ...] = field(kw_only=True)
    first_scan: int = field(kw_only=True)
    original: bytes = field(kw_only=True, repr=False)

    @property
    def is_progressive(self) -> bool:
        """Whether its scans refine one another."""
        return self.frame.marker in PROGRESSIVE

    @property
    def has_end(self) -> bool:
        """Whether the mark of the end comes after the first scan."""
        return self.original.rfind(END_MARK, self.first_scan) >= 0

    def has_segment(self, beginning: bytes) -> bool:
        """Whether a segment before the first scan begins with those bytes."""
        return any(self.original.startswith(beginning, start + 4) for _, start, _ in self.segments)


def segments_of(content: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) from `at` on, bare markers left out; between them anything is skipped, as libjpeg does. Ends with the end
    of the image or of the bytes. Raises ValueError for a segment that is cut, or of a kind that no JPEG has."""
    last = len(content) - 4
    while at <= last:
        start, marker = at, content[at + 1]
        if content[at] != MARK or marker in (0, MARK):  # stray or fill bytes
            found = _MARKER.search(content, at)
            if found is None:
                return
            start, marker = found.start(), content[found.start() + 1]
        if marker == EOI:
            return
        if marker in BARE:
            at = start + 2
            continue
        if marker in UNKNOWN:
            raise ValueError(f"it holds a segment of an unknown kind (0x{marker:02x})")
        end = start + 2 + int.from_bytes(content[start + 2 : start + 4], "big")
        if end < start + 4 or end > len(content):
            raise ValueError("it ends within a segment")
        yield marker, start, end
        at = end if marker != SOS else end_of_scan(content, end)


def end_of_scan(content: bytes, at: int) -> int:
    """Where the entropy-coded data that begins at `at` ends: at the next marker that is no restart, or the end of the bytes."""
    found = _END_OF_SCAN.search(content, at)
    return found.start() if found else len(content)


def read_jpeg(content: bytes) -> JpegHeader:
    """Raises ValueError for what is no JPEG, CostlyImage for one in so many pieces or scans that it is refused."""
    frame, segments = None, []
    for marker, start, end in segments_of(content, 2):
        if marker == SOS:
            break
        if marker in FRAMES:
            frame = _frame(marker, content[start + 4 : end])
        segments.append((marker, start, end))
        if len(segments) > MAX_SEGMENTS:
            raise too_many_parts(MAX_SEGMENTS, "segments before its pixels")
    else:
        raise ValueError("it ends before its pixels")
    if frame is None:
        raise ValueError("it says no size")
    several = frame.marker in PROGRESSIVE or content[start + 4] < len(frame.components)
    scans = _scans(content, start) if several else 1
    pixels = frame.width * frame.height
    seconds = pixels / PIXELS_A_SECOND + (scans - 1) * pixels / SCAN_PIXELS_A_SECOND + len(content) / BYTES_A_SECOND
    slower = ARITHMETIC_SLOWER if frame.marker in ARITHMETIC else 1
    if content.rfind(END_MARK, start) < 0:
        slower *= WITHOUT_END_SLOWER
    return JpegHeader(
        kind="JPEG",
        width=frame.width,
        height=frame.height,
        pixel_bytes=PIXEL_BYTES,
        content=_for_the_decoder(content, segments, start),
        seconds=seconds * slower,
        fixed_bytes=_coefficients(frame) if several else 0,
        frame=frame,
        segments=tuple(segments),
        first_scan=start,
        original=content,
    )


def _frame(marker: int, body: bytes) -> Frame:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise ValueError("its frame header is cut")
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    sampling = tuple((body[7 + 3 * n] >> 4, body[7 + 3 * n] & 15) for n in range(body[5]))
    if 0 in (width, height, len(sampling)) or any(0 in pair for pair in sampling):
        raise ValueError(f"its frame header says {width} x {height} pixels of {len(sampling)} components")
    return Frame(marker, body[0], width, height, sampling)


def _scans(content: bytes, first: int) -> int:
    """How many scans there are, from the first on; of broken files as many as a decoder meets."""
    scans = parts = 0
    try:
        for marker, _, _ in segments_of(content, first):
            scans += marker == SOS
            parts += 1
            if scans > MAX_SCANS:
                raise CostlyImage(f"it comes in more than {MAX_SCANS} scans")
            if parts > MAX_SEGMENTS:
                raise too_many_parts(MAX_SEGMENTS, "segments between its scans")
    except CostlyImage:
        raise
    except ValueError:
        pass  # the decoder finds it too, and says what it makes of it
    return max(scans, 1)


def _coefficients(frame: Frame) -> int:
    """Bytes that libjpeg keeps until the last scan: two for each sample, in whole blocks."""
    wide, high = max(h for h, _ in frame.components), max(v for _, v in frame.components)
    across, down = -(-frame.width // (8 * wide)), -(-frame.height // (8 * high))
    return sum(across * h * down * v * 64 * 2 for h, v in frame.components)


def _for_the_decoder(content: bytes, segments: list[tuple[int, int, int]], first_scan: int) -> bytes:
    """The file with that metadata alone that Pillow may read: colours and how the image lies. The very bytes where nothing else is
    in it; from the first scan on they are untouched."""
    ends = [2, *(end for _, _, end in segments)]
    without_gaps = ends == [*(start for _, start, _ in segments), first_scan]
    if without_gaps and all(marker in NEEDED or _is_colour(content, marker, start) for marker, start, _ in segments):
        return content
    exif = b"".join(content[start + 10 : end] for marker, start, end in segments if is_exif(content, marker, start))
    profile = sum(end - start for marker, start, end in segments if is_profile(content, marker, start))
    bounded = len(exif) <= MAX_EXIF_BYTES and is_bounded(exif)

    def harmless(marker: int, start: int) -> bool:
        if is_exif(content, marker, start):
            return bounded
        if is_profile(content, marker, start):
            return profile <= MAX_PROFILE_BYTES
        return _is_read(content, marker, start)

    if without_gaps and all(harmless(marker, start) for marker, start, _ in segments):
        return content
    kept = [content[start:end] for marker, start, end in segments if harmless(marker, start)]
    return b"".join((b"\xff\xd8", *kept, content[first_scan:]))


def is_exif(content: bytes, marker: int, start: int) -> bool:
    """Whether a segment holds EXIF."""
    return marker == APP1 and content.startswith(EXIF, start + 4)


def is_profile(content: bytes, marker: int, start: int) -> bool:
    """Whether a segment holds a part of a colour profile."""
    return marker == APP2 and content.startswith(ICC, start + 4)


def _is_colour(content: bytes, marker: int, start: int) -> bool:
    head = JFIF if marker == APP0 else ADOBE if marker == APP14 else None
    return head is not None and content.startswith(head, start + 4)


def _is_read(content: bytes, marker: int, start: int) -> bool:
    if marker in NEEDED or _is_colour(content, marker, start):
        return True
    return marker == APP1 and content.startswith(XMP, start + 4)
