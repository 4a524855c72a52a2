"""Small JPEGs are stored without a byte that is not of the image, and with the very pixels that they had."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from clip_pipeline.images.download.check_photo import CheckedPhoto, check_photo
from clip_pipeline.pixels.headers.jpeg import end_of_scan, read_jpeg
from clip_pipeline.pixels.headers.jpeg_alone import jpeg_alone
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.photos import scene
from clip_pipeline_tests.made.hostile_photos import between_scans, jpeg_with, multi_picture, segment
from clip_pipeline_tests.made.image_files import encoded

SETTINGS = DownloadSettings(image_size=256, min_side=8)
SECRET = b"48.858 N, 2.294 E"
PHOTO = scene(2, size=(120, 90))
PLAIN = encoded(PHOTO, "JPEG", quality=88)
PROGRESSIVE = encoded(PHOTO, "JPEG", quality=88, progressive=True)
JFIF_END = 20


def exif() -> bytes:
    """EXIF with a name, a place and a preview."""
    tags = Image.Exif()
    tags[0x0110] = SECRET.decode()
    tags.get_ifd(0x8825)[1] = "N"
    return tags.tobytes() + SECRET


def behind_the_start(*segments: bytes) -> bytes:
    return PLAIN[:JFIF_END] + b"".join(segments) + PLAIN[JFIF_END:]


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


CARRIERS = {
    "EXIF with its place": behind_the_start(segment(0xE1, exif())),
    "XMP": behind_the_start(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>" + SECRET)),
    "IPTC": behind_the_start(segment(0xED, b"Photoshop 3.0\0" + SECRET)),
    "a comment": behind_the_start(segment(0xFE, SECRET)),
    "an unknown application": behind_the_start(segment(0xE7, SECRET)),
    "a profile of sRGB": encoded(
        PHOTO, "JPEG", quality=88, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    + SECRET,
    "an index of images": behind_the_start(segment(0xE2, multi_picture(2) + SECRET)),
    "a second image": PLAIN + encoded(Image.new("RGB", (16, 16)), "JPEG", comment=SECRET),
    "an archive behind its end": PLAIN + b"PK\3\4" + SECRET,
    "an archive that ends as a JPEG": PLAIN + SECRET + b"\xff\xd9",
    "a thumbnail in JFIF": PLAIN[:2]
    + segment(0xE0, PLAIN[6:18] + b"\x05\x01" + SECRET[:15])
    + segment(0xE0, b"JFXX\0\x10" + SECRET)
    + PLAIN[JFIF_END:],
    "more behind Adobe's colours": behind_the_start(segment(0xEE, b"Adobe\0d\0\0\0\0\1" + SECRET)),
    "stray bytes before a table": behind_the_start(SECRET),
    "fill bytes": behind_the_start(b"\xff" * 50, segment(0xFE, SECRET)),
    "metadata between scans": between_scans(PROGRESSIVE, segment(0xE1, SECRET) + segment(0xFE, SECRET)),
    "metadata before its end": PLAIN[:-2] + segment(0xFE, SECRET) + b"\xff\xd9",
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_nothing_beside_the_image_is_stored_and_no_pixel_changes(carrier):
    content = CARRIERS[carrier]
    assert SECRET[:15] in content
    checked = check_photo(content, SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert SECRET[:10] not in checked.stored
    assert b"Exif" not in checked.stored
    assert b"JFXX" not in checked.stored
    assert np.array_equal(pixels(checked.stored), pixels(content))
    at = content.index(b"\xff\xda")
    assert content[at : end_of_scan(content, at + 2)] in checked.stored


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 90},
        {"quality": 75, "progressive": True},
        {"quality": 95, "subsampling": 0, "optimize": True},
        {"quality": 90, "keep_rgb": True},
        {"quality": 90, "restart_marker_rows": 1},
    ],
)
def test_a_jpeg_that_is_nothing_but_its_image_stays_byte_for_byte(options):
    content = encoded(PHOTO, "JPEG", **options)
    checked = check_photo(content, SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert checked.stored == content


HIDING = {
    "bytes behind the last pixel": PLAIN[:-2] + SECRET * 3 + b"\xff\xd9",
    "a scan too many": PLAIN[:-2] + PLAIN[PLAIN.index(b"\xff\xda") : -2] + b"\xff\xd9",
    "tables that are defined again": behind_the_start(*[segment(0xDB, b"\0" + SECRET.ljust(64, b"x"))] * 60),
    "a longer head of the scan": PLAIN.replace(
        segment(0xDA, PLAIN[(at := PLAIN.index(b"\xff\xda")) + 4 : at + 14]),
        segment(0xDA, PLAIN[at + 4 : at + 14] + SECRET),
    ),
}


@pytest.mark.parametrize("hiding", HIDING)
def test_what_hides_within_the_image_s_own_segments_is_not_kept(hiding):
    content = HIDING[hiding]
    assert SECRET in content or hiding == "a scan too many"
    checked = check_photo(content, SETTINGS)
    if isinstance(checked, CheckedPhoto):
        assert SECRET not in checked.stored
        assert len(checked.stored) < len(PLAIN) + 2_000
        assert np.abs(pixels(checked.stored).astype(int) - pixels(content)).mean() < 4


@pytest.mark.parametrize("turn", [3, 6])
def test_a_photo_that_lies_on_its_side_is_encoded_upright(turn):
    tags = Image.Exif()
    tags[0x0112] = turn
    checked = check_photo(encoded(PHOTO, "JPEG", exif=tags), SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert b"Exif" not in checked.stored
    assert pixels(checked.stored).shape[:2] == ((90, 120) if turn == 3 else (120, 90))


def test_colours_of_another_profile_are_encoded_as_srgb():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    checked = check_photo(encoded(PHOTO, "JPEG", icc_profile=profile), SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert b"ICC_PROFILE" not in checked.stored


def test_the_hash_is_of_the_bytes_as_they_were_downloaded_whatever_is_stored():
    assert jpeg_alone(read_jpeg(jpeg_with(segment(0xFE, SECRET)))) == jpeg_alone(read_jpeg(jpeg_with()))


def test_a_jpeg_without_an_end_is_not_said_to_be_whole():
    assert jpeg_alone(read_jpeg(PLAIN[:-2])) is None
    assert jpeg_alone(read_jpeg(PLAIN)) == PLAIN
    assert struct.unpack(">H", PLAIN[-2:]) == (0xFFD9,)
