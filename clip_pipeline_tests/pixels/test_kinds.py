"""Kinds of files by their first bytes."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import ImageError
from clip_pipeline.images.download.check_photo import RejectedPhoto, check_photo
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.kinds import MAGIC_BYTES, image_kind
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.photos.formats.tar_index import ENDINGS


def container(brand: bytes, *others: bytes) -> bytes:
    body = brand + b"\0\0\0\0" + b"".join(others)
    return (8 + len(body)).to_bytes(4, "big") + b"ftyp" + body + b"\0" * 40


def test_the_first_bytes_decide_the_kind_whatever_the_name():
    assert image_kind(b"RIFF\x00\x00\x00\x00WEBPVP8 ") == "WEBP"
    assert image_kind(b"RIFF\x00\x00\x00\x00WAVEfmt ") is None
    assert image_kind(container(b"avif", b"mif1")) == image_kind(container(b"mif1", b"miaf", b"avif")) == "AVIF"
    assert image_kind(container(b"heic", b"mif1")) is None
    assert image_kind(b"") is None


def test_every_kind_has_an_ending_for_the_shards():
    assert {*MAGIC_BYTES.values(), "WEBP", "AVIF"} == ENDINGS.keys()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (container(b"heic", b"mif1"), "it is HEIC, which is not decoded here"),
        (container(b"mif1", b"heic"), "it is HEIC, which is not decoded here"),
        (b"\xff\x0a" + b"\0" * 30, "it is JPEG XL, which is not decoded here"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + b"\0" * 30, "it is JPEG XL, which is not decoded here"),
        (b"<svg xmlns=", "it is SVG, a drawing without pixels, which is not decoded here"),
        (b"<!DOCTYPE html>", "it is a web page (HTML)"),
        (b"", "it is empty"),
    ],
)
def test_what_is_decoded_nowhere_is_named(content, name):
    rejected = check_photo(content, DownloadSettings())
    assert rejected == RejectedPhoto("not_an_image", name)
    with pytest.raises(ImageError, match="its bytes are no image of a known kind: ") as raised:
        decode(content)
    assert name in str(raised.value)


def test_a_known_beginning_with_nothing_behind_it_is_damaged():
    with pytest.raises(ImageError, match="it begins as PNG, and what follows is damaged"):
        decode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
