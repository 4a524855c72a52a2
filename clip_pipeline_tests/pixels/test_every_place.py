"""Odd kinds of images come out right in every place that decodes: each is compared with its 8-bit RGB twin, made by numpy."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from clip_pipeline.adaptation.preparation import store_decoded
from clip_pipeline.embedding.ready_pixels import ready_pixels
from clip_pipeline.errors import ImageError, PhotosError
from clip_pipeline.evaluation.single_photo import SinglePhotos
from clip_pipeline.images.download.check_photo import CheckedPhoto, RejectedPhoto, check_photo
from clip_pipeline.images.shards.tar import write_shard
from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.preprocess import preprocessing_of
from clip_pipeline.settings import DownloadSettings
from clip_pipeline.training.data.decoded_images import StoredImages, store_images
from clip_pipeline.training.data.image_format import ImageFormat
from clip_pipeline.training.data.shard_images import ShardPhotos, StreamedImages
from clip_pipeline_tests.made.image_files import encoded, png, tiff, ycck_jpeg

SIDE, HEIGHT, WIDTH = 16, 24, 32
SQUARE = ImageFormat(SIDE, "squash")
DOWNLOAD = DownloadSettings(image_size=16, min_side=8, resize="squash")

GRAY = (np.add.outer(np.arange(HEIGHT) * 5, np.arange(WIDTH) * 4) % 256).astype(np.uint8)
GRAY[0, 0], GRAY[-1, -1] = 0, 255
"""Every brightness, in soft steps."""

COLORS = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=-1)
WIDE, WIDE_COLORS = GRAY.astype(np.uint16) * 257, COLORS.astype(np.uint16) * 257
HALF = np.where(np.arange(WIDTH) < WIDTH // 2, 255, 128).astype(np.uint8) + np.zeros((HEIGHT, 1), np.uint8)
"""How opaque: the left half whole, the right one half."""


def on_white(colors: np.ndarray) -> np.ndarray:
    """Those colours, as opaque as HALF says, on white."""
    opacity = HALF[..., None] / 255
    return np.rint(colors * opacity + 255 * (1 - opacity)).astype(np.uint8)


def rgb(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[:, :, None], 3, axis=2)


# ---- the places


def transform():
    define_missing_operators()
    from open_clip.transform import image_transform

    return image_transform(SIDE, is_train=False, mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="squash")


def by_the_decoder(content: bytes, folder: Path) -> np.ndarray:
    return decode(content).rows_HW3


def by_a_download(content: bytes, folder: Path) -> np.ndarray:
    found = check_photo(content, DOWNLOAD)
    assert isinstance(found, CheckedPhoto), found
    return np.asarray(found.image)


def by_a_training_that_stores(content: bytes, folder: Path) -> np.ndarray:
    store_images([("a", content)], ["a"], SQUARE, folder)
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    StoredImages(folder, ["a"], SQUARE).read_into(0, image)
    return image


def by_a_training_that_streams(content: bytes, folder: Path) -> np.ndarray:
    write_shard(folder / "0.tar", [("a", {"png": content})])
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    StreamedImages(ShardPhotos({"0": folder / "0.tar"}, {"a": ("0", "a")}), ["a"], SQUARE).read_into(0, image)
    return image


def by_an_embedding(content: bytes, folder: Path) -> np.ndarray:
    return np.array(ready_pixels(None, transform(), [("a", content)], 1, folder / "pixels.npy").pixels_NCHW[0])


def by_a_single_photo(content: bytes, folder: Path) -> np.ndarray:
    return SinglePhotos(None, transform(), None, "cpu").prepare(content)[0].numpy()


def by_an_adaptation(content: bytes, folder: Path) -> np.ndarray:
    make = preprocessing_of(transform()).image
    reasons = store_decoded([(lambda row: content, 0)], make, (SIDE, SIDE), folder / "images.npy", 1)
    assert reasons == [""]
    return np.load(folder / "images.npy")[0]


PLACES: list[Callable[[bytes, Path], np.ndarray]] = [
    *(by_the_decoder, by_a_download, by_a_training_that_stores, by_a_training_that_streams),
    *(by_an_embedding, by_a_single_photo, by_an_adaptation),
]


# ---- the kinds


def palette_with_a_half(colors: int = 32) -> tuple[bytes, np.ndarray]:
    image = Image.fromarray(COLORS).quantize(colors)
    opacity = bytes([255, 128] * (colors // 2))
    seen = np.array([opacity[index] for index in np.asarray(image).ravel()]).reshape(HEIGHT, WIDTH, 1) / 255
    shown = np.asarray(image.convert("RGB")) * seen + 255 * (1 - seen)
    return encoded(image, "PNG", transparency=opacity), np.rint(shown).astype(np.uint8)


TRANSPARENT_GRAY = np.where(GRAY[3, 4] == GRAY, np.uint8(255), GRAY)
TRANSPARENT_COLOR = np.where((COLORS[3, 4] == COLORS).all(-1, keepdims=True), np.uint8(255), COLORS)
BLACK_OR_WHITE = np.where(GRAY > 127, np.uint8(255), np.uint8(0))

KINDS: dict[str, tuple[bytes, np.ndarray]] = {
    "PNG, gray of 16 bits": (png(WIDE), rgb(GRAY)),
    "PNG, gray of 16 bits with alpha": (png(np.dstack([WIDE, HALF.astype(np.uint16) * 257])), on_white(rgb(GRAY))),
    "PNG, gray of 16 bits with a transparent one": (png(WIDE, (int(WIDE[3, 4]),)), rgb(TRANSPARENT_GRAY)),
    "PNG, colours of 16 bits": (png(WIDE_COLORS), COLORS),
    "PNG, colours of 16 bits with alpha": (
        png(np.dstack([WIDE_COLORS, HALF.astype(np.uint16) * 257])),
        on_white(COLORS),
    ),
    "PNG, gray with alpha": (png(np.dstack([GRAY, HALF])), on_white(rgb(GRAY))),
    "PNG, gray with a transparent one": (png(GRAY, (int(GRAY[3, 4]),)), rgb(TRANSPARENT_GRAY)),
    "PNG, colours with alpha": (png(np.dstack([COLORS, HALF])), on_white(COLORS)),
    "PNG, colours with a transparent one": (png(COLORS, tuple(COLORS[3, 4].tolist())), TRANSPARENT_COLOR),
    "PNG, palette with half-transparent colours": palette_with_a_half(),
    "PNG, black or white": (encoded(Image.fromarray(GRAY).point(lambda v: v > 127, "1"), "PNG"), rgb(BLACK_OR_WHITE)),
    "TIFF, gray of 16 bits": (tiff(WIDE), rgb(GRAY)),
    "TIFF, gray of 16 bits, the high byte first": (tiff(WIDE, ">"), rgb(GRAY)),
    "TIFF, gray of 16 bits that begins with white": (tiff(65535 - WIDE, white_is_zero=True), rgb(GRAY)),
    "TIFF, gray that begins with white": (tiff(255 - GRAY, white_is_zero=True), rgb(GRAY)),
    "TIFF, gray of 12 bits": (tiff(GRAY.astype(np.uint16) * 16, bits=12), rgb(GRAY)),
    "TIFF, colours of 16 bits": (tiff(WIDE_COLORS), COLORS),
    "TIFF, colours of 16 bits, the high byte first": (tiff(WIDE_COLORS, ">"), COLORS),
    "TIFF, gray of 32 bits up to 255": (tiff(GRAY.astype(np.int32)), rgb(GRAY)),
    "TIFF, gray of 32 bits up to 65,535": (tiff(WIDE.astype(np.int32)), rgb(GRAY)),
    "TIFF, floats of 0 to 1": (tiff(GRAY.astype(np.float32) / 255), rgb(GRAY)),
    "TIFF, floats of 0 to 1, the high byte first": (tiff(GRAY.astype(np.float32) / 255, ">"), rgb(GRAY)),
    "TIFF, floats of 0 to 255": (tiff(GRAY.astype(np.float32)), rgb(GRAY)),
    "TIFF, floats that begin with white": (tiff(1 - GRAY.astype(np.float32) / 255, white_is_zero=True), rgb(GRAY)),
    "PGM of 16 bits": (b"P5\n%d %d\n65535\n" % (WIDTH, HEIGHT) + WIDE.astype(">u2").tobytes(), rgb(GRAY)),
    "PGM of 16 bits that is dark": (
        b"P5\n%d %d\n65535\n" % (WIDTH, HEIGHT) + (WIDE // 257).astype(">u2").tobytes(),
        rgb(np.zeros_like(GRAY)),
    ),
    "PPM": (b"P6\n%d %d\n255\n" % (WIDTH, HEIGHT) + COLORS.tobytes(), COLORS),
    "TIFF, CMYK": (
        encoded(Image.fromarray(COLORS).convert("CMYK"), "TIFF"),
        np.asarray(Image.fromarray(COLORS).convert("CMYK").convert("RGB")),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_out_as_its_twin_of_eight_bits(kind, place, tmp_path):
    content, twin = KINDS[kind]
    for name in ("odd", "plain"):
        (tmp_path / name).mkdir()
    ours = place(content, tmp_path / "odd")
    expected = place(encoded(Image.fromarray(twin), "PNG"), tmp_path / "plain")
    apart = np.abs(ours.astype(np.float64) - expected.astype(np.float64))
    assert apart.max() <= (1 if ours.dtype == np.uint8 else 1.01 / 127.5)  # mixing with white is rounded by Pillow


@pytest.mark.parametrize("place", PLACES)
def test_jpegs_for_print_have_the_colours_of_the_photo(place, tmp_path):
    photo = Image.fromarray(COLORS)
    plain = place(encoded(photo, "PNG"), tmp_path).astype(np.float64)
    for number, content in enumerate((encoded(photo.convert("CMYK"), "JPEG", quality=95), ycck_jpeg(photo))):
        assert Image.open(io.BytesIO(content)).mode == "CMYK"
        (tmp_path / str(number)).mkdir()
        apart = np.abs(place(content, tmp_path / str(number)) - plain).mean()
        assert apart <= (6 if plain.max() > 2 else 6 / 127.5)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("turn", range(1, 9))
def test_what_a_camera_held_otherwise_took_comes_out_upright(place, turn, tmp_path):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL's transpositions that turn upright into stored
    photo = Image.fromarray(COLORS)
    laid = photo.transpose(Image.Transpose(undo[turn])) if turn in undo else photo
    exif = Image.Exif()
    exif[0x0112] = turn
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % turn
    contents = {
        "png": encoded(laid, "PNG", exif=exif),
        "webp": encoded(laid, "WEBP", exif=exif, lossless=True),
        "tiff": tiff(np.asarray(laid), turn=turn),
        "jpeg": encoded(laid, "JPEG", exif=exif, quality=95, subsampling=0),
        "xmp": encoded(laid, "JPEG", xmp=xmp, quality=95, subsampling=0),
    }
    (tmp_path / "upright").mkdir()
    expected = place(encoded(photo, "PNG"), tmp_path / "upright").astype(np.float64)
    for kind, content in contents.items():
        (tmp_path / kind).mkdir()
        apart = np.abs(place(content, tmp_path / kind) - expected).mean()
        assert apart <= (4 if kind in ("jpeg", "xmp") else 0) / (1 if expected.max() > 2 else 127.5), kind


@pytest.mark.parametrize(("kind", "plugin"), [("AVIF", "avif"), ("JPEG2000", "jpg_2000")])
@pytest.mark.parametrize("place", PLACES)
def test_younger_kinds_are_decoded_too(kind, plugin, place, tmp_path):
    if not features.check(plugin):
        pytest.skip(f"this Pillow was built without {kind}")
    photo = Image.fromarray(COLORS)
    for name in ("odd", "plain"):
        (tmp_path / name).mkdir()
    ours = place(encoded(photo, kind, quality=95) if kind == "AVIF" else encoded(photo, kind), tmp_path / "odd")
    expected = place(encoded(photo, "PNG"), tmp_path / "plain").astype(np.float64)
    assert np.abs(ours - expected).mean() <= (5 if expected.max() > 2 else 5 / 127.5)


# ---- what is refused

RANGE = "its values run from {}, and {} was expected"
REFUSED = {
    "floats below 0": (tiff(GRAY.astype(np.float32) / 255 - 0.5), RANGE.format("-0.5 to 0.5", "0 to 1 or 0 to 255")),
    "floats beyond 255": (tiff(WIDE.astype(np.float32)), RANGE.format("0 to 65535", "0 to 1 or 0 to 255")),
    "no numbers": (tiff(np.full((HEIGHT, WIDTH), np.nan, np.float32)), "some of its values are not numbers"),
    "whole numbers below 0": (tiff(GRAY.astype(np.int32) - 9), RANGE.format("-9 to 246", "0 to 255 or 0 to 65,535")),
    "whole numbers beyond 16 bits": (tiff(WIDE.astype(np.int32) * 2), "its values run from 0 to 131,070"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_range_that_cannot_be_shown_is_refused_with_a_sentence_in_every_place(kind, tmp_path):
    content, why = REFUSED[kind]
    with pytest.raises(ImageError, match=why):
        decode(content)
    rejected = check_photo(content, DOWNLOAD)
    assert isinstance(rejected, RejectedPhoto)
    assert rejected.status == "broken_image"
    assert why in rejected.message
    for number, place in enumerate((by_a_training_that_stores, by_a_training_that_streams, by_a_single_photo)):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(PhotosError, match=why):
            place(content, tmp_path / str(number))
    with pytest.raises(PhotosError, match="None of the photos"):
        by_an_embedding(content, tmp_path)
    make = preprocessing_of(transform()).image
    (reason,) = store_decoded([(lambda row: content, 0)], make, (SIDE, SIDE), tmp_path / "images.npy", 1)
    assert why in reason
