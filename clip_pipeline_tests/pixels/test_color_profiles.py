"""Colour profiles, CMYK, palettes, 16 bits, transparency and animations, beside Pillow's and LittleCMS's own answers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from clip_pipeline.images.download.check_photo import CheckedPhoto, check_photo
from clip_pipeline.settings import DownloadSettings
from clip_pipeline_tests.images.photos import scene

SETTINGS = DownloadSettings(image_size=64, min_side=8, quality=95)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(content: bytes) -> np.ndarray:
    found = check_photo(content, SETTINGS)
    assert isinstance(found, CheckedPhoto), found
    return np.asarray(found.image).astype(int)


def swapped_profile() -> bytes:
    """An RGB profile whose red is green and whose green is blue: nobody overlooks that it was followed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    rows = {bytes(profile[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    places = [rows[name] for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    values = [bytes(profile[place + 4 : place + 12]) for place in places]
    for place, value in zip(places, values[1:] + values[:1], strict=True):
        profile[place + 4 : place + 12] = value
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")).replace(b"sRGB", b"swap")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_colour_profile_is_followed(kind):
    profile = swapped_profile()
    photo = scene(1, size=(64, 64))
    options = {"PNG": {}, "TIFF": {}}.get(kind, {"quality": 95})
    expected = ImageCms.profileToProfile(
        photo, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    found = pixels(encoded(photo, kind, icc_profile=profile, **options))
    assert np.abs(found - np.asarray(expected)).mean() < 6
    assert np.abs(found - np.asarray(photo)).mean() > 15


@pytest.mark.parametrize("profile", [b"no profile", swapped_profile()[:200], b"\0" * 500])
def test_a_broken_profile_is_ignored(profile):
    photo = scene(1, size=(64, 64))
    assert np.abs(pixels(encoded(photo, "PNG", icc_profile=profile)) - np.asarray(photo)).max() <= 1


def test_the_usual_profile_changes_nothing_and_is_not_stored():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(scene(2, size=(64, 64)), "JPEG", quality=95, icc_profile=profile)
    found = check_photo(content, SETTINGS)
    assert isinstance(found, CheckedPhoto)
    assert b"ICC_PROFILE" in content
    assert b"ICC_PROFILE" not in found.stored
    assert np.abs(np.asarray(found.image).astype(int) - np.asarray(scene(2, size=(64, 64)))).mean() < 5


def test_a_profile_of_other_colours_than_the_photo_s_is_ignored():
    gray = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = scene(1, size=(64, 64))
    assert np.abs(pixels(encoded(photo, "PNG", icc_profile=gray)) - np.asarray(photo)).max() <= 1


def test_cmyk_as_photoshop_writes_it_has_the_right_colours():
    """Pillow writes CMYK JPEGs with Adobe's mark and inverted, as Photoshop does."""
    photo = scene(3, size=(64, 64))
    content = encoded(photo.convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in content
    assert np.abs(pixels(content) - np.asarray(photo)).mean() < 4


def test_sixteen_bits_palettes_and_gray_keep_their_values():
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    assert np.abs(pixels(encoded(Image.fromarray(ramp), "PNG"))[..., 1] - (ramp >> 8)).max() <= 1
    photo = scene(4, size=(64, 64))
    palette = photo.quantize(32)
    assert np.abs(pixels(encoded(palette, "PNG")) - np.asarray(palette.convert("RGB"))).max() <= 1
    gray = photo.convert("L")
    assert np.abs(pixels(encoded(gray, "PNG")) - np.asarray(gray)[..., None]).max() <= 1
    assert np.abs(pixels(encoded(gray, "JPEG", quality=95)) - np.asarray(gray)[..., None]).mean() < 2
    bits = photo.convert("1")
    assert np.abs(pixels(encoded(bits, "PNG")) - np.asarray(bits.convert("RGB"))).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_half_transparent_is_mixed_with_white(mode):
    layer = Image.new("RGBA", (64, 64), (0, 0, 0, 128))
    layer.paste((0, 0, 0, 255), (0, 0, 32, 64))
    options = {}
    if mode == "P":
        layer = Image.new("P", (64, 64), 1)
        layer.putpalette([0, 0, 0, 255, 0, 0])
        options = {"transparency": bytes([255, 128])}
        expected = (255, 127, 127)
    else:
        layer, expected = layer.convert(mode), (127, 127, 127)
    found = pixels(encoded(layer, "PNG", **options))
    assert np.abs(found[32, 50] - expected).max() <= 2


def test_of_an_animation_the_first_image_counts():
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    for kind in ("GIF", "WEBP", "PNG"):
        found = pixels(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50))
        assert np.abs(found[32, 32] - (255, 0, 0)).max() <= 4, kind
