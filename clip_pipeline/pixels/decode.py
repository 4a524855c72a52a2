"""The one decoder: an image's bytes into pixels, upright, as 8-bit RGB.

`decode` is what training, embedding and single photos use. Downloads check sizes before they decode and turn what they have
made smaller, so they call the same parts one by one: `open_unchecked`, `orientation`, `rows_as_stored`, `turned`. In both, the
header is read first (`headers/`), and what would cost too much memory or time (`decode_cost`) is refused before it is decoded.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.errors import ImageError
from clip_pipeline.pixels.decode_cost import LIMITS, SHARED_MEMORY
from clip_pipeline.pixels.headers.exif import is_bounded
from clip_pipeline.pixels.headers.header import CostlyImage, ImageHeader
from clip_pipeline.pixels.headers.jpeg import EXIF, JpegHeader
from clip_pipeline.pixels.headers.read import read_header
from clip_pipeline.pixels.jpeg_end import with_end
from clip_pipeline.pixels.kinds import image_kind, why_no_image
from clip_pipeline.pixels.to_rgb import rgb_of_array, rgb_of_image

if TYPE_CHECKING:
    from PIL import Image

DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError, AttributeError),
    *(AssertionError, NotImplementedError, MemoryError, struct.error, zlib.error),
)
"""What Pillow's decoders raise for damaged files. One that got past would end a whole shard; of 207,373 files
damaged at random, 9 TIFFs raised a TypeError (measured 2026-11-21)."""

REDUCED_FROM = 3.0
"""Times what the model sees that the shorter side must still have after the reduction. libjpeg's reduction is a plain mean
of pixels; with three of them for each one that the filter makes, embeddings of large web photos keep a cosine of 0.99985 or
more to open_clip's own, with two 0.9986 (two models trained here, 48 and 64 pixels, 95 photos, 2026-11-21)."""

REDUCTIONS = (8, 4, 2)
ORIENTATION_TAG = 0x0112
XMP_ORIENTATION, HEAD_BYTES = b"tiff:Orientation", 1 << 17
"""XMP is among the first segments of a JPEG, each of which is shorter than 64 KB."""

RESIZED_BYTES = 9
"""Memory a pixel of the decoded image while it is resized: the image, the part that is used, and that part transposed."""

PLAIN_COLOURS = ("YCbCr", "Gray")
"""Kinds of JPEG whose pixels libjpeg gives as Pillow does; CMYK and files that hold RGB are left to Pillow."""

TURNS = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
"""For each EXIF orientation: rows and columns swapped, then left and right, then top and bottom."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Pixels:
    """rows_HW3: uint8. box: left, top, right and bottom of the photo in them: whole numbers, but where odd sides were halved.
    size: (width, height) of the photo itself, upright."""

    rows_HW3: np.ndarray
    box: Box
    size: tuple[int, int]


@contextlib.contextmanager
def decoder_errors() -> Iterator[None]:
    """What decoders raise inside becomes an ImageError that says why, in the same words in every run."""
    from PIL import Image

    try:
        yield
    except (*DECODER_ERRORS, Image.DecompressionBombError) as error:
        raise ImageError(str(error).split(" <_io.")[0] or type(error).__name__) from error


def decode(content: bytes | np.ndarray, side: int | None = None) -> Pixels:
    """The pixels of an image's file, or of an array (`to_rgb.rgb_of_array`).

    side: the shorter side that is wanted, in pixels; a JPEG that is REDUCED_FROM times as large, or twice or four times
    that, is decoded at a half, quarter or eighth. None decodes whole. EXIF turns it upright, transparency becomes white and
    more than eight bits are scaled, all of which open_clip leaves to its caller. Raises ImageError for what is no image.
    """
    with decoded(content, side) as pixels:
        return pixels


@contextlib.contextmanager
def decoded(content: bytes | np.ndarray, side: int | None = None) -> Iterator[Pixels]:
    """As `decode`; what is done with the pixels inside, such as making them smaller, counts to the memory that all threads share."""
    if isinstance(content, np.ndarray):
        with decoder_errors():
            pixels = whole(rgb_of_array(content))
        yield pixels
        return
    with decoder_errors():
        kind = image_kind(content)
        if kind is None:
            raise ValueError(f"its bytes are no image of a known kind: {why_no_image(content)}")
        header = _read_header(kind, content)
    if isinstance(header, JpegHeader):
        times = _reduction(header, side)
        with _memory_for(header, times):
            with decoder_errors():
                header = with_end(header)
            plain: Pixels | None = None
            with contextlib.suppress(ValueError):  # Pillow, below, forgives what is wrong with it or says it
                plain = _decode_plain_jpeg(header, times)
            if plain is not None:
                yield plain
                return
    with _memory_for(header):
        with decoder_errors():
            pixels = _decode_by_pillow(header)
        yield pixels


@contextlib.contextmanager
def _memory_for(header: ImageHeader, times: int = 1) -> Iterator[None]:
    """Waits for the memory of decoding and resizing. Raises ImageError where it is more than any image may take."""
    memory = max(header.memory(times), RESIZED_BYTES * header.pixels // times**2)
    with decoder_errors():
        LIMITS.check(header, memory)
    with SHARED_MEMORY.hold(memory):
        yield


def _read_header(kind: str, content: bytes) -> ImageHeader:
    try:
        return read_header(kind, content)
    except CostlyImage:
        raise
    except ValueError as error:
        raise ValueError(f"its bytes are no image of a known kind: {why_no_image(content)} ({error})") from error


def whole(rows_HW3: np.ndarray) -> Pixels:
    """The pixels of an image that was decoded at its full size."""
    height, width = rows_HW3.shape[:2]
    return Pixels(rows_HW3, (0.0, 0.0, float(width), float(height)), (width, height))


def _reduction(header: JpegHeader, side: int | None) -> int:
    shorter = min(header.width, header.height)
    return next((n for n in REDUCTIONS if side and shorter >= n * REDUCED_FROM * side), 1)


def _decode_plain_jpeg(header: JpegHeader, times: int) -> Pixels | None:
    """None for a JPEG that Pillow must look at."""
    import simplejpeg

    height, width, colours, _ = simplejpeg.decode_jpeg_header(header.content)
    if colours not in PLAIN_COLOURS:
        return None
    rows = _plain_jpeg_rows(header.content, width, height, times)
    pixels = Pixels(rows, (0.0, 0.0, width / times, height / times), (width, height))
    marked = header.has_segment(EXIF) or XMP_ORIENTATION in header.content[:HEAD_BYTES]
    return turned(pixels, _orientation_of_jpeg(header)) if marked else pixels


def _plain_jpeg_rows(content: bytes, width: int, height: int, times: int) -> np.ndarray:
    """By libjpeg itself, which takes 0.4 times as long as Pillow; a `times`-th of each side, rounded up. Raises ValueError."""
    import simplejpeg

    reduced = {"min_height": -(-height // times), "min_width": -(-width // times)} if times > 1 else {}
    return simplejpeg.decode_jpeg(content, **reduced)


def _orientation_of_jpeg(header: JpegHeader) -> int:
    with contextlib.suppress(*DECODER_ERRORS), open_unchecked(header) as image:
        return orientation(image)
    return 1


def _decode_by_pillow(header: ImageHeader) -> Pixels:
    with open_unchecked(header) as image:
        image.load()
        turn, rows = orientation(image), rgb_of_image(image)
    return turned(whole(rows), turn)


def orientation(image: Image.Image) -> int:
    """How an image lies in its file, 1 to 8, by EXIF or else XMP; 1, upright, where neither says it or they are damaged."""
    if image.format == "TIFF":
        return 1  # Pillow turns those itself
    if not is_bounded(image.info.get("exif", b"")):
        return 1
    try:
        return image.getexif().get(ORIENTATION_TAG, 1)
    except DECODER_ERRORS:
        return 1


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """The pixels upright, for an `orientation` as cameras note it."""
    if orientation not in TURNS:
        return pixels
    swapped, mirrored, upended = TURNS[orientation]
    rows, (left, top, right, bottom), size = pixels.rows_HW3, pixels.box, pixels.size
    if swapped:
        rows, (left, top, right, bottom), size = rows.swapaxes(0, 1), (top, left, bottom, right), size[::-1]
    height, width = rows.shape[:2]
    if mirrored:
        rows, (left, right) = rows[:, ::-1], (width - right, width - left)
    if upended:
        rows, (top, bottom) = rows[::-1], (height - bottom, height - top)
    return Pixels(np.ascontiguousarray(rows), (left, top, right, bottom), size)


def open_unchecked(header: ImageHeader) -> Image.Image:
    """The image opened by Pillow, nothing decoded. Raises DECODER_ERRORS or DecompressionBombError.

    Pillow's own Image.open warns from 89 megapixels and refuses from 179, and tries decoders of kinds whose cost nobody knows
    (EPS even runs another program). What the header said is the caller's to check first; a file that turns out to be larger is refused.
    """
    from PIL import AvifImagePlugin, Image

    if header.kind not in Image.OPEN:
        Image.init()  # loads the decoders
    if header.kind not in Image.OPEN:
        raise ValueError(f"this Pillow was built without {header.kind}")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # whoever decodes many images has threads or processes of his own
    make, _ = Image.OPEN[header.kind]
    image = make(io.BytesIO(header.content), "")
    if image.width * image.height > header.pixels:
        raise CostlyImage(
            f"it is {image.width} x {image.height} pixels, though its header says {header.width} x {header.height}"
        )
    if not is_bounded(image.info.get("exif", b"")):
        del image.info["exif"]
    return image


def rows_as_stored(header: ImageHeader, image: Image.Image, times: int = 1) -> tuple[np.ndarray, bool]:
    """(H, W, 3) uint8 of an opened image as it lies in its file, gray and CMYK by their colour profile; and whether it is a JPEG of
    which libjpeg had nothing to say: no pixel missing, no byte too many.

    times: 1, 2, 4 or 8; a JPEG is decoded at that part of each side, rounded up. Raises as `open_unchecked` does.
    """
    simple = image.mode == "RGB" or (image.mode == "L" and "icc_profile" not in image.info)
    if header.kind == "JPEG" and simple:
        with contextlib.suppress(ValueError):  # left to Pillow to judge
            return _plain_jpeg_rows(header.content, *image.size, times), True
    if times > 1:
        image.draft(None, (image.width // times, image.height // times))
    image.load()
    rows = rgb_of_image(image, follow_profile=True)
    image.close()
    return rows, False
