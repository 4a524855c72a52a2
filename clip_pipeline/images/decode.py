"""Where a photo's bytes are checked: kind, size, full decoding; then made into the JPEG that is stored."""

from __future__ import annotations

import io
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clip_pipeline.recipes import DownloadSettings

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
LONGEST_EXIF_VALUE = 200
ORIENTATION_TAG = 0x0112
PLAIN_SEGMENTS = {"APP0", "APP14"}
"""Segments of a JPEG (JFIF and Adobe) that hold no more than what the decoder needs; all others are metadata."""

LARGE_PIXELS = 16_000_000
_LARGE_PHOTOS = ThreadPoolExecutor(2, thread_name_prefix="large photo")
"""Large photos are decoded two at a time, by threads of their own: memory that a thread gave back stays with it. Eight
downloads of a PNG of 98 megapixels peaked at 3.0 GB, this way at 0.8 GB (measured 2026-11-21)."""

DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, NotImplementedError, MemoryError, struct.error, zlib.error),
)
"""What Pillow's decoders raise for damaged files. One that got past would end a whole shard; of 207,373 files
damaged at random, 9 TIFFs raised a TypeError (measured 2026-11-21)."""


@dataclass(frozen=True)
class CheckedPhoto:
    """A photo that decodes. jpeg: the bytes to store, upright RGB, without metadata. Sizes are pixels; `original_` ones
    are of the upright original. exif: JSON text of the camera's tags, None without any; places are left out."""

    jpeg: bytes
    picture: Image.Image
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
    """Decodes a downloaded photo completely and scales it down to `settings.image_size`.

    The pixel count is read from the header and checked before anything is decoded. An original JPEG that is already right
    (small enough, upright, RGB, no metadata, nothing behind its end) is kept as it is, so it loses nothing to a second
    compression; all others are encoded anew, which leaves EXIF, GPS and the like behind.
    """
    from PIL import Image

    kind = image_kind(content)
    if kind is None:
        return RejectedPhoto("not_an_image", f"the first bytes are {content[:16]!r}")
    try:
        picture = _open_picture(kind, content)
        width, height = picture.size
        if width * height > settings.max_pixels:
            return RejectedPhoto("too_many_pixels", f"{width} x {height} pixels")
        if min(width, height) < settings.min_side:
            return RejectedPhoto("too_small", f"{width} x {height} pixels")
        if width * height > LARGE_PIXELS:
            return _LARGE_PHOTOS.submit(_decode, content, picture, settings).result()
        return _decode(content, picture, settings)
    except Image.DecompressionBombError as error:
        return RejectedPhoto("too_many_pixels", str(error))  # a picture larger than the header said
    except DECODER_ERRORS as error:
        return RejectedPhoto("broken_image", f"{kind}: {error}"[:LONGEST_EXIF_VALUE])


def _open_picture(kind: str, content: bytes) -> Image.Image:
    """The picture with its header read and nothing decoded. Raises DECODER_ERRORS or DecompressionBombError.

    Pillow's own Image.open warns from 89 megapixels and refuses from 179. The pixel cap is the caller's, who checks it next;
    a filter for that warning would be shared by all threads, and warnings.catch_warnings is not safe among them.
    """
    from PIL import Image

    if kind not in Image.OPEN:
        Image.init()  # loads the decoders
    make, _ = Image.OPEN[kind]
    return make(io.BytesIO(content), "")


def _decode(content: bytes, picture: Image.Image, settings: DownloadSettings) -> CheckedPhoto:
    width, height = picture.size
    tags = _read_exif(picture)
    turn = tags.get(ORIENTATION_TAG, 1)
    bare = picture.format == "JPEG" and picture.mode == "RGB" and _segments(picture) <= PLAIN_SEGMENTS
    bare = bare and content.endswith(END_OF_JPEG)
    shrink = min(width, height) > settings.image_size
    if shrink:
        # The JPEG decoder halves the size for free; never below twice what is wanted, so the filter still has its pixels.
        picture.draft(None, (settings.image_size * 2, settings.image_size * 2))
    picture.load()
    upright = _as_rgb(_turned(picture, turn))
    if turn in (5, 6, 7, 8):
        width, height = height, width
    if shrink:
        upright = upright.resize(_scaled_size(width, height, settings.image_size), _lanczos())
        picture.close()  # now: a large one would wait for its memory until the thread that asked runs again
    jpeg = content if bare and not shrink else _encode_jpeg(upright, settings.quality)
    return CheckedPhoto(jpeg, upright, *upright.size, width, height, _exif_text(tags))


def _scaled_size(width: int, height: int, shorter: int) -> tuple[int, int]:
    if width <= height:
        return shorter, max(1, round(height * shorter / width))
    return max(1, round(width * shorter / height)), shorter


def _lanczos() -> int:
    from PIL import Image

    return Image.Resampling.LANCZOS


def _turned(picture: Image.Image, turn: int) -> Image.Image:
    """The picture upright, for an EXIF orientation of 1 to 8."""
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
    return picture.transpose(steps[turn]) if turn in steps else picture


def _as_rgb(picture: Image.Image) -> Image.Image:
    """RGB from any mode: transparency on white, 16 bits to 8, CMYK and palettes converted."""
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I"):  # 16-bit grayscale: Pillow would cut off instead of scaling
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return picture.convert("RGB")


def _encode_jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, comment=b"")  # else Pillow takes the comment over from the original
    return buffer.getvalue()


def _segments(picture: Image.Image) -> set[str]:
    """Names of the segments before a JPEG's pixels: APP0 to APP15, COM."""
    return {name for name, _ in getattr(picture, "applist", ())}


def _read_exif(picture: Image.Image) -> dict[int, Any]:
    """The tags by number; none where they are damaged, which is no fault of the pixels."""
    if "exif" not in picture.info:
        return {}
    try:
        return dict(picture.getexif().items())
    except DECODER_ERRORS:
        return {}


def _exif_text(tags: dict[int, Any]) -> str | None:
    from PIL.ExifTags import TAGS

    # Sub-folders of tags, the place (GPS) among them, are numbers here: only plain values are told.
    told = {
        TAGS[tag]: str(value)[:LONGEST_EXIF_VALUE]
        for tag, value in tags.items()
        if tag in TAGS and not TAGS[tag].endswith(("IFD", "Offset", "Info"))
    }
    return json.dumps(told, sort_keys=True) if told else None
