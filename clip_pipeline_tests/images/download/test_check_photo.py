"""Where a photo's bytes are checked."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.images.download.check_photo import CheckedPhoto, RejectedPhoto, check_photo, image_kind
from clip_pipeline.settings import DownloadSettings

SETTINGS = DownloadSettings(image_size=32, min_side=16)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(left: str, right: str, mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """An image whose left half has one colour and whose right half another."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image.convert(mode)


def stored(content: bytes, settings: DownloadSettings = SETTINGS) -> np.ndarray:
    checked = check_photo(content, settings)
    assert isinstance(checked, CheckedPhoto), checked
    with Image.open(io.BytesIO(checked.stored)) as image:
        assert image.format == "JPEG"
        assert image.mode == "RGB"
        return np.asarray(image)


def near(pixel: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= tolerance)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_kind_becomes_an_rgb_jpeg_with_its_colours(kind):
    pixels = stored(encoded(halves("red", "blue"), kind))
    assert pixels.shape == (32, 43, 3)
    assert near(pixels[16, 5], (255, 0, 0), 30)
    assert near(pixels[16, 38], (0, 0, 255), 30)


def test_grayscale_cmyk_palette_and_sixteen_bits_have_the_right_colours():
    assert near(stored(encoded(halves("white", "black", "L"), "JPEG"))[16, 5], (255, 255, 255))
    assert near(stored(encoded(halves("red", "blue", "CMYK"), "JPEG"))[16, 5], (255, 0, 0), 40)
    assert near(stored(encoded(halves("red", "blue", "P"), "PNG"))[16, 38], (0, 0, 255), 30)
    deep = Image.fromarray(np.full((48, 64), 128 * 256, np.uint16))
    assert near(stored(encoded(deep, "PNG"))[16, 5], (128, 128, 128))


def test_transparency_is_laid_on_white():
    image = Image.new("RGBA", (64, 48), (255, 0, 0, 0))
    assert near(stored(encoded(image, "PNG"))[16, 20], (255, 255, 255))


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_applied_and_sizes_are_those_of_the_upright_photo(turn):
    upright = Image.new("RGB", (40, 80), "black")
    upright.paste("red", (0, 0, 20, 40))  # only the upper left quarter is red
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL's transpositions that turn upright into stored
    laid = upright.transpose(Image.Transpose(undo[turn])) if turn in undo else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    checked = check_photo(encoded(laid, "JPEG", exif=exif, quality=95), SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert (checked.original_width, checked.original_height) == (40, 80)
    pixels = np.asarray(checked.image)
    assert near(pixels[10, 5], (255, 0, 0), 40)
    assert near(pixels[50, 5], (0, 0, 0), 40)
    assert near(pixels[10, 25], (0, 0, 0), 40)


def test_metadata_is_recorded_without_the_place_and_stripped_from_the_photo():
    exif = Image.Exif()
    exif[0x0110] = "Pinhole 3000"
    exif.get_ifd(0x8825)[1] = "N"
    checked = check_photo(encoded(halves("red", "blue"), "JPEG", exif=exif), SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert checked.exif == '{"Model": "Pinhole 3000"}'
    assert b"Pinhole" not in checked.stored
    assert b"Exif" not in checked.stored


def test_a_small_upright_jpeg_is_kept_byte_for_byte():
    content = encoded(halves("red", "blue", size=(32, 24)), "JPEG")
    checked = check_photo(content, SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert checked.stored == content


def test_a_small_photo_is_not_enlarged_and_the_shorter_side_decides():
    assert stored(encoded(halves("red", "blue", size=(100, 20)), "PNG")).shape == (20, 100, 3)
    assert stored(encoded(halves("red", "blue", size=(320, 64)), "PNG")).shape == (32, 160, 3)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", "not_an_image"),
        (b"<!DOCTYPE html><html>sorry</html>", "not_an_image"),
        (b"%PDF-1.7 ...", "not_an_image"),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 50, "broken_image"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, "broken_image"),
    ],
)
def test_what_is_no_photo_is_rejected_with_its_reason(content, status):
    rejected = check_photo(content, SETTINGS)
    assert isinstance(rejected, RejectedPhoto)
    assert rejected.status == status


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_photo_is_broken_although_its_header_is_fine(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8))
    content = encoded(noise, kind)
    rejected = check_photo(content[: len(content) // 2], SETTINGS)
    assert isinstance(rejected, RejectedPhoto)
    assert rejected.status == "broken_image"


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is that large, with nothing in it: decoding it would need width × height bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_too_many_pixels_are_refused_before_decoding(side):
    rejected = check_photo(png_header(side, side), SETTINGS)
    assert isinstance(rejected, RejectedPhoto)
    assert rejected.status == "too_many_pixels"


def test_too_small_photos_are_refused():
    rejected = check_photo(encoded(halves("red", "blue", size=(64, 15)), "PNG"), SETTINGS)
    assert rejected == RejectedPhoto("too_small", "64 x 15 pixels")


def test_the_fifty_web_images_of_which_thirteen_are_misnamed_all_decode(shared_data):
    folder = shared_data("clip_embeddings/decoyer_50_images/images")
    kinds = []
    for path in sorted(folder.glob("*.jpg")):
        content = path.read_bytes()
        kinds.append(image_kind(content))
        assert isinstance(check_photo(content, SETTINGS), CheckedPhoto), path.name
    assert len(kinds) == 50
    assert sum(kind != "JPEG" for kind in kinds) == 13


def test_what_hides_behind_the_end_of_a_jpeg_is_not_kept():
    content = encoded(halves("red", "blue", size=(32, 24)), "JPEG") + b"48.858 N, 2.294 E"
    checked = check_photo(content, SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert b"48.858" not in checked.stored


@pytest.mark.parametrize("size", [(32, 24), (64, 48)])
def test_a_comment_is_not_kept(size):
    for kind in ("JPEG", "GIF"):
        content = encoded(halves("red", "blue", size=size), kind, comment=b"my own street")
        checked = check_photo(content, SETTINGS)
        assert isinstance(checked, CheckedPhoto)
        assert b"street" in content
        assert b"street" not in checked.stored
