"""Sizes and costs as headers say them, beside what Pillow says and what decoding takes."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from clip_pipeline.pixels.headers.exif import is_bounded
from clip_pipeline.pixels.headers.header import CostlyImage
from clip_pipeline.pixels.headers.read import READERS, read_header
from clip_pipeline.pixels.kinds import image_kind
from clip_pipeline_tests.images.photos import scene
from clip_pipeline_tests.made.hostile_photos import exif_of_itself, jpegs, many_scans, pngs
from clip_pipeline_tests.made.image_files import encoded, tiff

PHOTO = scene(1, size=(150, 90))
FILES = {
    **{kind: encoded(PHOTO, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")},
    "progressive JPEG": encoded(PHOTO, "JPEG", progressive=True),
    "CMYK JPEG": encoded(PHOTO.convert("CMYK"), "JPEG"),
    "palette PNG": encoded(PHOTO.quantize(16), "PNG"),
    "lossless WebP": encoded(PHOTO, "WEBP", lossless=True),
    "WebP with alpha": encoded(PHOTO.convert("RGBA"), "WEBP"),
    "animated WebP": encoded(PHOTO, "WEBP", save_all=True, append_images=[PHOTO.rotate(180)]),
    "TIFF of the other order": tiff(np.asarray(PHOTO), ">"),
    "compressed TIFF": encoded(PHOTO, "TIFF", compression="tiff_lzw"),
    "BMP of eight bits": encoded(PHOTO.convert("L"), "BMP"),
}
if features.check("avif"):
    FILES["AVIF"] = encoded(PHOTO, "AVIF")
if features.check("jpg_2000"):
    FILES["JPEG2000"] = encoded(PHOTO, "JPEG2000")
    FILES["bare JPEG2000"] = encoded(PHOTO, "JPEG2000", no_jp2=True)


@pytest.mark.parametrize("name", FILES)
def test_the_size_is_that_of_the_decoded_image_and_plain_files_are_decoded_as_they_are(name):
    content = FILES[name]
    header = read_header(image_kind(content), content)
    assert (header.width, header.height) == Image.open(io.BytesIO(content)).size
    assert header.content is content
    assert 3 * header.pixels <= header.memory() <= 40 * header.pixels + (20 << 20)
    assert header.seconds < 0.1


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 10_000), st.binary(min_size=1, max_size=9), st.booleans())
def test_a_damaged_header_is_a_value_error_and_nothing_else(name, place, damage, cut):
    content = FILES[name]
    place %= len(content)
    broken = content[:place] + damage + (b"" if cut else content[place + len(damage) :])
    for kind in {image_kind(content), image_kind(broken) or "PNG"}:
        try:
            header = read_header(kind, broken)
        except ValueError:
            continue
        assert header.width > 0
        assert header.height > 0


@pytest.mark.parametrize("kind", READERS)
def test_what_only_begins_is_a_value_error(kind):
    start = next(content[:12] for content in FILES.values() if image_kind(content) == kind) if kind in FILES else b""
    for size in range(len(start) + 1):
        with pytest.raises(ValueError):
            read_header(kind, start[:size])


def test_a_progressive_jpeg_keeps_its_coefficients_at_any_reduction():
    plain, progressive = (encoded(PHOTO, "JPEG", progressive=how, subsampling=0) for how in (False, True))
    assert read_header("JPEG", plain).fixed_bytes == 0
    header = read_header("JPEG", progressive)
    assert header.fixed_bytes == 152 * 96 * 3 * 2  # whole blocks of eight, two bytes for each of three colours
    assert header.memory(8) > header.fixed_bytes


def test_scans_are_counted_up_to_the_end_of_the_image_alone():
    content = encoded(PHOTO, "JPEG", progressive=True)
    film = content + b"\xff\xda" * 1000
    assert read_header("JPEG", film).seconds == pytest.approx(read_header("JPEG", content).seconds, abs=0.01)
    with pytest.raises(CostlyImage, match="more than 100 scans"):
        read_header("JPEG", many_scans(101, 64, 64))


def test_metadata_that_costs_more_than_the_image_is_left_out_before_pillow_reads_it():
    for kind, made, names in (
        ("JPEG", jpegs(), ("exif_of_itself", "exif_of_gigabytes", "fill_bytes", "stray_bytes", "comments_of_20_MB")),
        ("PNG", pngs(), ("exif_of_itself", "a_text_that_inflates", "text_of_20_MB")),
    ):
        for name in names:
            ending = {"JPEG": "jpg", "PNG": "png"}[kind]
            assert len(read_header(kind, made[f"{name}.{ending}"]).content) < 100_000


def test_exif_that_holds_more_than_it_has_is_known():
    tags = Image.Exif()
    tags[0x0110], tags[0x0112] = "Pinhole 3000", 6
    assert is_bounded(tags.tobytes())
    assert is_bounded(b"")
    assert is_bounded(b"Exif\0\0II*\0" + struct.pack("<I", 1 << 31))
    assert not is_bounded(exif_of_itself(100, 5000))
