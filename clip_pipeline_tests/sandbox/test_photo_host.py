from __future__ import annotations

import io
import time

import pytest
import requests
from PIL import Image, ImageOps

IMAGES = "images.sandbox.test"


def _photos(world, fault):
    return [photo for photo in world.photos if photo.fault == fault and not photo.copy_of]


def _image(response):
    image = Image.open(io.BytesIO(response.content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("w=96", (96, 72)),
        ("w=96&fit=max&q=80", (96, 72)),
        ("h=90", (120, 90)),
        ("w=100&h=30&fit=max", (40, 30)),
        ("w=64&h=64&fit=crop", (64, 64)),
        ("w=5000&fit=max", (1200, 900)),
        ("", (1200, 900)),
        ("w=banana", (1200, 900)),
    ],
)
def test_a_photo_comes_in_the_size_that_is_asked_for(get, world, query, size):
    photo = next(photo for photo in _photos(world, "") if (photo.width, photo.height) == (1200, 900))
    response = get(IMAGES, f"/{photo.path}?ixid=abc&{query}")
    assert response.status_code == 200 and response.headers["Content-Type"] == "image/jpeg"
    assert _image(response).size == size


def test_quality_and_format_can_be_asked_for(get, world):
    path = _photos(world, "")[0].path
    assert len(get(IMAGES, f"/{path}?w=96&q=30").content) < len(get(IMAGES, f"/{path}?w=96&q=95").content)
    assert _image(get(IMAGES, f"/{path}?w=96&fm=webp")).format == "WEBP"


def test_a_missing_photo_is_404(get, world):
    assert get(IMAGES, f"/{_photos(world, 'missing')[0].path}?w=96").status_code == 404
    assert get(IMAGES, "/photo-1-abc").status_code == 404


def test_a_server_error_passes(get, world):
    path = f"/{_photos(world, 'server_error_once')[0].path}?w=96"
    assert [get(IMAGES, path).status_code for _ in range(3)] == [500, 200, 200]


def test_a_slow_photo_comes_late_but_whole(get, world):
    started = time.monotonic()
    assert _image(get(IMAGES, f"/{_photos(world, 'slow')[0].path}?w=96")).width == 96
    assert time.monotonic() - started >= 0.25


def test_truncated_photos_break_in_the_decoder_or_on_the_wire(get, world):
    outcomes = set()
    for photo in _photos(world, "truncated"):
        try:
            content = get(IMAGES, f"/{photo.path}?w=96").content
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError):
            outcomes.add("wire")
            continue
        with pytest.raises(OSError, match="truncated|broken|Truncated"):
            Image.open(io.BytesIO(content)).load()
        outcomes.add("decoder")
    assert outcomes == {"wire", "decoder"}


def test_a_page_may_come_instead_of_a_photo(get, world):
    response = get(IMAGES, f"/{_photos(world, 'html')[0].path}?w=96")
    assert response.headers["Content-Type"] == "image/jpeg" and response.content.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("fault", "kind", "mode"),
    [("png", "PNG", "RGB"), ("webp", "WEBP", "RGB"), ("grayscale", "JPEG", "L"), ("cmyk", "JPEG", "CMYK")],
)
def test_other_kinds_of_files_decode(get, world, fault, kind, mode):
    image = _image(get(IMAGES, f"/{_photos(world, fault)[0].path}?w=96"))
    assert (image.format, image.mode) == (kind, mode)


def test_a_rotated_photo_stands_upright_after_its_orientation(get, world):
    photo = next(p for p in _photos(world, "exif_rotation") if p.width != p.height)
    image = _image(get(IMAGES, f"/{photo.path}?w=96"))
    upright = ImageOps.exif_transpose(image)
    assert image.size == upright.size[::-1] and (upright.width > upright.height) == (photo.width > photo.height)
    assert image.getexif().get_ifd(0x8825)


def test_exact_copies_have_the_same_bytes_and_near_copies_others(get, world):
    originals = {photo.id: photo for photo in world.photos}
    for exact in (True, False):
        photo = next(photo for photo in world.photos if photo.copy_of and photo.exact == exact)
        pair = [get(IMAGES, f"/{p.path}?w=96").content for p in (photo, originals[photo.copy_of])]
        assert (pair[0] == pair[1]) == exact


def test_a_known_photo_is_not_sent_again(get, world):
    path = f"/{_photos(world, '')[0].path}?w=96"
    etag = get(IMAGES, path).headers["ETag"]
    assert get(IMAGES, path, {"If-None-Match": etag}).status_code == 304
