"""Where a photo's bytes are checked: kind, size, full decoding; then made into the file that is stored.

Runs in processes of its own (`decode_worker`), so what is imported here is kept small.
"""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.images.download.resize_modes import Frame, frame_of, put_in_frame, put_on_bars
from clip_pipeline.images.shards.tar import ENDINGS
from clip_pipeline.pixels.color_profiles import as_rgb, profile_to_srgb
from clip_pipeline.pixels.decode import DECODER_ERRORS
from clip_pipeline.settings import DownloadSettings

if TYPE_CHECKING:
    from PIL import Image

MAGIC_BYTES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}
END_OF_JPEG = b"\xff\xd9"
MAX_EXIF_VALUE = 200
ORIENTATION_TAG = 0x0112
LYING = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""

DRAFT_FROM = 4
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


def image_kind(content: bytes) -> str | None:
    """JPEG, PNG, WEBP, GIF, BMP or TIFF by the first bytes, None for anything else. A name or a header proves nothing."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for magic, kind in MAGIC_BYTES.items() if content.startswith(magic)), None)


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
        return RejectedPhoto("not_an_image", f"the first bytes are {content[:16]!r}")
    try:
        image = _open_image(kind, content)
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


def _open_image(kind: str, content: bytes) -> Image.Image:
    """The image with its header read and nothing decoded. Raises DECODER_ERRORS or DecompressionBombError.

    Pillow's own Image.open warns from 89 megapixels and refuses from 179. The pixel cap is the caller's, who checks it next.
    """
    from PIL import Image

    if kind not in Image.OPEN:
        Image.init()  # loads the decoders
    make, _ = Image.OPEN[kind]
    return make(io.BytesIO(content), "")


def _decode(content: bytes, kind: str, image: Image.Image, settings: DownloadSettings) -> CheckedPhoto:
    from PIL import Image

    tags = _read_exif(image)
    turn = tags.get(ORIENTATION_TAG, 1)
    plain = kind == "JPEG" and image.mode == "RGB" and _segments(image) <= PLAIN_SEGMENTS
    plain = plain and turn == 1 and content.endswith(END_OF_JPEG)
    # Of CMYK and gray, `as_rgb` follows the profile itself.
    profile = b"" if image.mode in ("CMYK", "L") else image.info.get("icc_profile") or b""
    width, height = image.size[::-1] if turn in LYING else image.size
    frame = frame_of(width, height, settings)
    lying = frame.turned() if turn in LYING else frame
    pixels = put_in_frame(_pixels(content, kind, image, lying), lying)
    shown = Image.fromarray(pixels)
    if profile or turn != 1:
        shown = _turned(profile_to_srgb(shown, profile), turn)
        pixels = np.asarray(shown)
    if frame.bars:
        pixels = put_on_bars(pixels, frame.bars)
        shown = Image.fromarray(pixels)
    ending = "jpg"
    if settings.resize == "original":
        stored, ending = content, ENDINGS[kind]
    elif plain and frame == Frame(width, height):
        stored = content
    else:
        stored = _encode_jpeg(pixels, settings.quality)
    return CheckedPhoto(stored, ending, shown, *shown.size, width, height, _exif_text(tags))


def _pixels(content: bytes, kind: str, image: Image.Image, frame: Frame) -> np.ndarray:
    """(H, W, 3) RGB as the image lies in its file, at least twice the frame's size where it is larger at all.

    TurboJPEG decodes into the array in 0.69 ms where Pillow takes 0.94 and copies (640 x 480, 2026-11-21); what it refuses is
    left to Pillow to judge. Of large JPEGs Pillow decodes only a half, quarter or eighth of each side, and the filter still
    has two pixels for each that it makes.
    """
    many = image.width >= DRAFT_FROM * frame.width and image.height >= DRAFT_FROM * frame.height
    simple = image.mode == "RGB" or (image.mode == "L" and "icc_profile" not in image.info)
    if kind == "JPEG" and simple and not many:
        import simplejpeg

        with contextlib.suppress(ValueError):
            return simplejpeg.decode_jpeg(content)
    if many:
        image.draft(None, (2 * frame.width, 2 * frame.height))
    image.load()
    pixels = np.array(as_rgb(image))
    image.close()
    return pixels


def _turned(image: Image.Image, turn: int) -> Image.Image:
    """The image upright, for an EXIF orientation of 1 to 8."""
    from PIL.Image import Transpose

    steps = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(steps[turn]) if turn in steps else image


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

    # Sub-folders of tags, the place (GPS) among them, are numbers here: only plain values are told.
    told = {
        TAGS[tag]: str(value)[:MAX_EXIF_VALUE]
        for tag, value in tags.items()
        if tag in TAGS and not TAGS[tag].endswith(("IFD", "Offset", "Info"))
    }
    return json.dumps(told, sort_keys=True) if told else None
