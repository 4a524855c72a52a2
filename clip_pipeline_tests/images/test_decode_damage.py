"""Damaged and hostile photos: each is a photo or a rejection, never an exception that would end a shard."""

from __future__ import annotations

import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_pipeline.images.download.check_photo import CheckedPhoto, RejectedPhoto, check_photo
from clip_pipeline.records import PHOTO_STATUSES
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.photos import jpeg, scene

SETTINGS = DownloadSettings(image_size=32, min_side=8, max_pixels=1_000_000)


def camera_tags() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110], exif[0x0112], exif[0x829A] = "Pinhole 3000", 6, 0.01
    exif.get_ifd(0x8825)[1] = "N"
    return exif


def every_kind() -> list[bytes]:
    image = scene(1, size=(64, 48))
    contents = []
    for kind, options in [
        ("JPEG", {"exif": camera_tags()}),
        ("JPEG", {"progressive": True}),
        ("PNG", {"exif": camera_tags()}),
        ("WEBP", {"exif": camera_tags()}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ]:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        contents.append(buffer.getvalue())
    return contents


KINDS = every_kind()
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.booleans(), st.integers(0, 255)), max_size=5)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(content=st.sampled_from(KINDS), changes=CHANGES, kept=st.floats(0, 1) | st.just(1.0))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_changed_bytes_give_a_photo_or_a_status(content, changes, kept):
    damaged = bytearray(content)
    for place, in_header, value in changes:
        damaged[int(place * (min(len(damaged), 300) if in_header else len(damaged)))] = value
    checked = check_photo(bytes(damaged[: int(len(damaged) * kept)]), SETTINGS)
    assert isinstance(checked, CheckedPhoto) or checked.status in PHOTO_STATUSES


def test_a_tiff_whose_pixels_begin_at_a_fraction_is_broken():
    buffer = io.BytesIO()
    scene(1, size=(64, 48)).save(buffer, "TIFF")
    whole, fraction = struct.pack("<HHI", 273, 4, 1), struct.pack("<HHI", 273, 5, 1)  # tag StripOffsets, its type, one
    assert buffer.getvalue().count(whole) == 1
    rejected = check_photo(buffer.getvalue().replace(whole, fraction), SETTINGS)
    assert isinstance(rejected, RejectedPhoto)
    assert rejected.status == "broken_image"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
@pytest.mark.parametrize("tags", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0"])
def test_damaged_tags_are_no_fault_of_the_pixels(tags):
    content = jpeg(scene(1, size=(64, 48)), exif=tags)
    assert tags in content
    checked = check_photo(content, SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert (checked.width, checked.height, checked.exif) == (43, 32, None)
    assert b"Exif" not in checked.stored


def test_tags_that_hold_nothing_but_the_place_are_none():
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    checked = check_photo(jpeg(scene(1, size=(64, 48)), exif=exif), SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert checked.exif is None


def test_a_segment_of_metadata_that_pillow_does_not_know_is_stripped_too():
    plain = jpeg(scene(1, size=(32, 24)))
    secret = b"http://ns.adobe.com/xmp/extension/\0the place it was taken"
    content = plain[:2] + b"\xff\xe1" + (len(secret) + 2).to_bytes(2, "big") + secret + plain[2:]
    checked = check_photo(content, SETTINGS)
    assert isinstance(checked, CheckedPhoto)
    assert b"the place" not in checked.stored


def test_large_photos_give_no_warning_from_any_thread():
    buffer = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, "PNG")  # 144 megapixels; Pillow itself would warn from 89
    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        checked = list(pool.map(lambda _: check_photo(buffer.getvalue(), SETTINGS), range(8)))
    assert caught == []
    assert checked == [RejectedPhoto("too_many_pixels", "12000 x 12000 pixels")] * 8
