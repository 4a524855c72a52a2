"""Where a photo's bytes are checked: kind, size, full decoding; then made into the file that is stored.

Runs in processes of its own (`decode_worker`), so what is imported here is kept small.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.images.download.resize_modes import Frame, frame_of, put_in_frame, put_on_bars
from clip_pipeline.pixels.color_profiles import profile_to_srgb
from clip_pipeline.pixels.decode import (
    DECODER_ERRORS,
    REDUCTIONS,
    open_unchecked,
    orientation,
    rows_as_stored,
    turned,
    whole,
)
from clip_pipeline.pixels.kinds import image_kind, why_no_image
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.photos.formats.tar_index import ENDINGS

if TYPE_CHECKING:
    from PIL import Image

END_OF_JPEG = b"\xff\xd9"
MAX_EXIF_VALUE = 200
LYING = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

REDUCED_FROM = 4
"""Times a photo must be larger on both sides than what is wanted before the decoder itself scales it."""

PLAIN_SEGMENTS = {"APP0", "APP14"}
"""Segments of a JPEG (JFIF and Adobe) that hold no more than what the decoder needs; all others are metadata."""


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

    The pixel count is read from the header and checked before anything is decoded. An original JPEG that is already right
    (small enough, upright, RGB, no metadata, nothing behind its end) is kept as it is, so it loses nothing to a second
    compression; all others are encoded anew, which leaves EXIF, GPS and the like behind. With `resize=original` the bytes
    are kept, whatever is in them. Of an animation the first image counts.
    """
    from PIL import Image

    kind = image_kind(content)
    if kind is None:
        return RejectedPhoto("not_an_image", why_no_image(content))
    try:
        image = open_unchecked(kind, content)
        width, height = image.size
        if width * height > settings.max_pixels:
            return RejectedPhoto("too_many_pixels", f"{width} x {height} pixels")
        if min(width, height) < settings.min_side:
            return RejectedPhoto("too_small", f"{width} x {height} pixels")
        return _decode(content, kind, image, settings)
    except Image.DecompressionBombError as error:
        return RejectedPhoto("too_many_pixels", str(error))  # an image larger than the header said
    except DECODER_ERRORS as error:
        return RejectedPhoto("broken_image", f"{kind}: {error}"[:MAX_EXIF_VALUE])


def _decode(content: bytes, kind: str, image: Image.Image, settings: DownloadSettings) -> CheckedPhoto:
    from PIL import Image

    if kind != "JPEG":
        image.load()  # some kinds say only behind their pixels how they lie
    tags, turn = _read_exif(image), orientation(image)
    plain = kind == "JPEG" and image.mode == "RGB" and _segments(image) <= PLAIN_SEGMENTS
    plain = plain and turn == 1 and content.endswith(END_OF_JPEG)
    # Of CMYK and gray, the decoder follows the profile itself.
    profile = b"" if image.mode in ("CMYK", "L") else image.info.get("icc_profile") or b""
    width, height = image.size[::-1] if turn in LYING else image.size
    frame = frame_of(width, height, settings)
    lying = frame.turned() if turn in LYING else frame
    rows = put_in_frame(rows_as_stored(content, image, _reduction(*image.size, lying)), lying)
    rows = turned(whole(profile_to_srgb(rows, profile)), turn).rows_HW3
    if frame.bars:
        rows = put_on_bars(rows, frame.bars)
    ending = "jpg"
    if settings.resize == "original":
        stored, ending = content, ENDINGS[kind]
    elif plain and frame == Frame(width, height):
        stored = content
    else:
        stored = _encode_jpeg(rows, settings.quality)
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


def _segments(image: Image.Image) -> set[str]:
    """Names of the segments before a JPEG's pixels: APP0 to APP15, COM."""
    return {name for name, _ in getattr(image, "applist", ())}


def _read_exif(image: Image.Image) -> dict[int, Any]:
    """The tags by number; none where they are damaged, which is no fault of the pixels."""
    if "exif" not in image.info:
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
