"""Where a photo's bytes are checked: kind, size, full decoding; then made into the file that is stored.

Runs in processes of its own (`decode_worker`), so what is imported here is kept small.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.images.download.resize_modes import Frame, frame_of, put_in_frame, put_on_bars
from clip_pipeline.pixels.color_profiles import profile_to_srgb
from clip_pipeline.pixels.decode import (
    DECODER_ERRORS,
    REDUCTIONS,
    TURNS,
    open_unchecked,
    orientation,
    rows_as_stored,
    turned,
    whole,
)
from clip_pipeline.pixels.decode_cost import MB, PROCESSES_MB, DecodeLimits
from clip_pipeline.pixels.headers.exif import is_bounded
from clip_pipeline.pixels.headers.header import CostlyImage, ImageHeader
from clip_pipeline.pixels.headers.jpeg import JpegHeader
from clip_pipeline.pixels.headers.jpeg_alone import jpeg_alone
from clip_pipeline.pixels.headers.read import read_header
from clip_pipeline.pixels.jpeg_end import with_end
from clip_pipeline.pixels.kinds import image_kind, why_no_image
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.photos.formats.tar_index import ENDINGS

if TYPE_CHECKING:
    from PIL import Image

MAX_EXIF_VALUE = 200
OUT_BYTES, RESIZE_BYTES = 14, 40
"""Memory for each pixel of what is stored (turned, encoded, as an image), and for each of the rows and columns that it is made of."""

LYING = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

REDUCED_FROM = 4
"""Times a photo must be larger on both sides than what is wanted before the decoder itself scales it."""


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo that decodes. stored: the bytes to store: a JPEG, upright, sRGB, without metadata, or those that came
    (`resize=original`). ending: of the member of the shard. image: what is stored, decoded. Sizes are pixels;
    `original_` ones are of the upright original. exif: JSON text of the camera's tags, None without any; places are left
    out.
    """

    stored: bytes
    ending: str
    image: Image.Image
    width: int
    height: int
    original_width: int
    original_height: int
    exif: str | None


@dataclass(frozen=True)
class RejectedPhoto:
    """status: one of records.PHOTO_STATUSES. message: what was found."""

    status: str
    message: str


def check_photo(content: bytes, settings: DownloadSettings) -> CheckedPhoto | RejectedPhoto:
    """Decodes a downloaded photo completely and brings it to the size that `settings` ask for.

    Pixels, memory and time are read from the header and checked before anything is decoded. Of an original JPEG that is already
    right (small enough, upright, sRGB, undamaged) the scans are kept, so it loses nothing to a second compression, and everything
    beside the image is left out (`jpeg_alone`); all others are encoded anew, which leaves EXIF, GPS and the like behind. With
    `resize=original` the bytes are kept, whatever is in them, but for the mark that a JPEG lacks at its end. Of an animation the first image counts.
    """
    from PIL import Image

    kind = image_kind(content)
    if kind is None:
        return RejectedPhoto("not_an_image", why_no_image(content))
    try:
        header = read_header(kind, content)
        width, height = header.width, header.height
        if header.pixels > settings.max_pixels:
            return RejectedPhoto("too_many_pixels", f"{width} x {height} pixels")
        if min(width, height) < settings.min_side:
            return RejectedPhoto("too_small", f"{width} x {height} pixels")
        limits_of(settings).check(header, _memory(header, settings))
        if isinstance(header, JpegHeader):
            header = with_end(header)
            content = header.original
        return _decode(content, header, open_unchecked(header), settings)
    except CostlyImage as error:
        return RejectedPhoto("too_costly", f"{kind}: {error}")
    except Image.DecompressionBombError as error:
        return RejectedPhoto("too_many_pixels", str(error))  # an image larger than the header said
    except DECODER_ERRORS as error:
        return RejectedPhoto("broken_image", f"{kind}: {error}"[:MAX_EXIF_VALUE])


@functools.lru_cache(maxsize=8)
def limits_of(settings: DownloadSettings) -> DecodeLimits:
    """What one photo may take."""
    return DecodeLimits(
        (settings.max_decode_memory - PROCESSES_MB) * MB,
        settings.max_decode_seconds,
        f" (download.max_decode_memory={settings.max_decode_memory}, less {PROCESSES_MB} for the processes)",
        f" (download.max_decode_seconds={settings.max_decode_seconds:g})",
    )


def planned_memory(content: bytes, settings: DownloadSettings) -> int:
    """Bytes that `check_photo` will take for these, by their header; those of the file alone where it will be refused at once."""
    kind = image_kind(content)
    if kind is not None:
        with contextlib.suppress(ValueError):
            header = read_header(kind, content)
            memory = _memory(header, settings)
            if header.pixels <= settings.max_pixels and memory <= limits_of(settings).memory:
                return memory
    return len(content)


def _memory(header: ImageHeader, settings: DownloadSettings) -> int:
    """Bytes at the worst moment: while it is decoded, or while what was decoded is brought to its size."""
    frame = frame_of(header.width, header.height, settings)
    times = _reduction(header.width, header.height, frame) if header.kind == "JPEG" else 1
    width, height = math.ceil(header.width / times), math.ceil(header.height / times)
    framed = OUT_BYTES * max(frame.width * frame.height, frame.bars**2) + RESIZE_BYTES * (width + height)
    if frame.cut:
        framed += 3 * min(width, height) ** 2
    if frame != Frame(header.width, header.height):
        framed += 6 * frame.height * width
    return max(header.memory(times), 3 * width * height + framed) + 2 * len(header.content)


def _decode(content: bytes, header: ImageHeader, image: Image.Image, settings: DownloadSettings) -> CheckedPhoto:
    from PIL import Image

    kind = header.kind
    if kind != "JPEG":
        image.load()  # some kinds say only behind their pixels how they lie
    tags, turn = _read_exif(image), orientation(image)
    # Of CMYK and gray, the decoder follows the profile itself.
    profile = b"" if image.mode in ("CMYK", "L") else image.info.get("icc_profile") or b""
    width, height = image.size[::-1] if turn in LYING else image.size
    frame = frame_of(width, height, settings)
    lying = frame.turned() if turn in LYING else frame
    decoded, undamaged = rows_as_stored(header, image, _reduction(*image.size, lying))
    framed = put_in_frame(decoded, lying)
    srgb = profile_to_srgb(framed, profile)
    rows = turned(whole(srgb), turn).rows_HW3
    if frame.bars:
        rows = put_on_bars(rows, frame.bars)
    right = undamaged and turn not in TURNS and srgb is framed and frame == Frame(width, height)
    ending = "jpg"
    if settings.resize == "original":
        stored, ending = content, ENDINGS[kind]
    else:
        alone = jpeg_alone(header) if right and image.mode == "RGB" and isinstance(header, JpegHeader) else None
        stored = alone or _encode_jpeg(rows, settings.quality)
    shown = Image.fromarray(rows)
    return CheckedPhoto(stored, ending, shown, *shown.size, width, height, _exif_text(tags))


def _reduction(width: int, height: int, frame: Frame) -> int:
    """1, 2, 4 or 8: the part of each side at which a large JPEG is decoded, so that the filter still has two pixels for each
    that it makes. width, height: of the photo as it lies in its file, as `frame` does."""
    if width < REDUCED_FROM * frame.width or height < REDUCED_FROM * frame.height:
        return 1
    times = min(width // (2 * frame.width), height // (2 * frame.height))
    return next(n for n in (*REDUCTIONS, 1) if times >= n)


def _encode_jpeg(image_HW3: np.ndarray, quality: int) -> bytes:
    import simplejpeg

    pixels = np.ascontiguousarray(image_HW3)
    return simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420")


def _read_exif(image: Image.Image) -> dict[int, Any]:
    """The tags by number; none where they are damaged, which is no fault of the pixels."""
    if "exif" not in image.info or not is_bounded(image.info["exif"]):
        return {}
    try:
        return dict(image.getexif().items())
    except DECODER_ERRORS:
        return {}


def _exif_text(tags: dict[int, Any]) -> str | None:
    from PIL.ExifTags import TAGS

    # Sub-folders of tags, the place (GPS) among them, are numbers here: only plain values are kept.
    plain = {
        TAGS[tag]: str(value)[:MAX_EXIF_VALUE]
        for tag, value in tags.items()
        if tag in TAGS and not TAGS[tag].endswith(("IFD", "Offset", "Info"))
    }
    return json.dumps(plain, sort_keys=True) if plain else None
