"""Our preprocessing against open_clip's own steps, run by torchvision and Pillow."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.preprocess import preprocessing_of
from clip_pipeline.pixels.resize import Square

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
LARGEST, MEAN_AT_MOST = 10, 0.5
"""Of 255, the difference of one value and its mean over one photo, where a photo is decoded at a reduced size."""


def transform(side: int, mode: str = "shortest", interpolation: str = "bicubic"):
    define_missing_operators()
    from open_clip.transform import image_transform

    return image_transform(side, is_train=False, mean=MEAN, std=STD, resize_mode=mode, interpolation=interpolation)


def scene(width: int, height: int, seed: int = 0) -> Image.Image:
    """What a photo has: soft areas, edges, and the fine grain of grass or cloth."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    pixels = np.asarray(coarse).astype(np.int16)
    pixels += random.integers(-25, 26, (height, width, 1), dtype=np.int16)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (250, 20, 30)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))


def jpeg(image: Image.Image, quality: int = 88, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def ours_and_theirs(content: bytes, preprocess) -> tuple[torch.Tensor, torch.Tensor]:
    preprocessing = preprocessing_of(preprocess)
    return preprocessing.tensor([preprocessing.image(content)])[0], preprocess(Image.open(io.BytesIO(content)))


def bytes_apart(one: torch.Tensor, two: torch.Tensor) -> np.ndarray:
    return (one - two).abs().mul(torch.tensor(STD).view(3, 1, 1)).mul(255).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("size", [(320, 240), (240, 320), (223, 300), (224, 224), (301, 225), (50, 40), (447, 448)])
def test_photos_that_are_decoded_whole_give_the_very_bits_of_open_clip(size, mode):
    for content in (jpeg(scene(*size)), jpeg(scene(*size), subsampling=0), jpeg(scene(*size), progressive=True)):
        ours, theirs = ours_and_theirs(content, transform(224, mode))
        assert torch.equal(ours, theirs)


@given(st.integers(1, 150), st.integers(1, 150), st.integers(4, 70), st.sampled_from(["shortest", "squash"]))
@settings(max_examples=40, deadline=None)
def test_any_shape_gives_the_bits_of_open_clip(width, height, side, mode):
    buffer = io.BytesIO()
    scene(width, height).save(buffer, "PNG")
    ours, theirs = ours_and_theirs(buffer.getvalue(), transform(side, mode))
    assert torch.equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1080, 810), (901, 1203), (2001, 1501), (1800, 900)])
@pytest.mark.parametrize("side", [112, 64])
def test_large_photos_are_decoded_at_a_reduced_size_and_stay_within_the_tolerance(width, height, side):
    content = jpeg(scene(width, height))
    assert decode(content, side).rows_HW3.shape[0] < height
    apart = bytes_apart(*ours_and_theirs(content, transform(side)))
    assert apart.max() <= LARGEST
    assert apart.mean() <= MEAN_AT_MOST


@pytest.mark.slow
def test_the_same_tolerance_holds_on_real_photos(shared_data):
    folder = shared_data("clip_embeddings/decoyer_50_images/images")
    contents = [path.read_bytes() for path in sorted(folder.glob("*.jpg")) if path.stat().st_size < 1_000_000]
    contents = [content for content in contents if content[:2] == b"\xff\xd8"]
    preprocess = transform(112)
    reduced = 0
    for content in contents:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode != "RGB" or image.getexif().get(0x0112, 1) != 1:
                continue
        apart = bytes_apart(*ours_and_theirs(content, preprocess))
        if decode(content, 112).rows_HW3.shape[:2] == decode(content, None).rows_HW3.shape[:2]:
            assert apart.max() < 1e-4
        else:
            reduced += 1
            assert apart.max() <= LARGEST
            assert apart.mean() <= MEAN_AT_MOST
    assert reduced >= 8


def test_ordinary_real_photos_give_the_very_bits(shared_data):
    preprocess = transform(224)
    with tarfile.open(shared_data("flickr8k_orig_1000.tar")) as tar:
        members = [member for member in tar if member.name.endswith(".jpg")][:30]
        for member in members:
            ours, theirs = ours_and_theirs(tar.extractfile(member).read(), preprocess)
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("large", [False, True])
def test_every_way_a_camera_can_be_held_comes_out_upright(orientation, large):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = scene(801, 533) if large else scene(90, 60)
    content = jpeg(image, exif=exif)
    from PIL import ImageOps

    preprocess = transform(64)
    preprocessing = preprocessing_of(preprocess)
    ours = preprocessing.tensor([preprocessing.image(content)])[0]
    theirs = preprocess(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    apart = bytes_apart(ours, theirs)
    assert apart.max() <= (LARGEST if large else 1e-4)
    assert apart.mean() <= (MEAN_AT_MOST if large else 1e-4)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_fault_of_the_pixels():
    plain = jpeg(scene(60, 40))
    broken = plain[:2] + b"\xff\xe1\x00\x10Exif\x00\x00MM\x00*\xff\xff\xff\xff" + plain[2:]
    assert np.array_equal(decode(broken, None).rows_HW3, decode(plain, None).rows_HW3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_photos_are_as_open_clip_sees_them(mode):
    content = jpeg(scene(300, 200).convert(mode))
    ours, theirs = ours_and_theirs(content, transform(112))
    assert (
        bytes_apart(ours, theirs).max() <= 1.01
    )  # of CMYK, open_clip resizes four colours and then makes three of them


def test_an_array_of_digits_is_what_open_clip_makes_of_the_same_image():
    digit = np.random.default_rng(5).integers(0, 256, (28, 28), dtype=np.uint8)
    digit.setflags(write=False)  # as those of a file that is mapped into memory
    preprocess = transform(224)
    preprocessing = preprocessing_of(preprocess)
    for array, image in (
        (digit, Image.fromarray(digit)),
        (np.broadcast_to(digit[:, :, None], (28, 28, 3)), Image.fromarray(digit)),
    ):
        assert torch.equal(preprocessing.tensor([preprocessing.image(array)])[0], preprocess(image))


@pytest.mark.parametrize("preprocess", [transform(64, "longest"), transform(64, interpolation="bilinear")])
def test_other_geometries_run_open_clips_own_steps(preprocess):
    preprocessing = preprocessing_of(preprocess)
    assert preprocessing.square is None
    content = jpeg(scene(200, 130))
    ours, theirs = ours_and_theirs(content, preprocess)
    assert torch.equal(ours, theirs)


def test_a_preprocess_of_an_unknown_kind_runs_whole():
    preprocess = transform(64)
    ours, theirs = ours_and_theirs(jpeg(scene(200, 130)), lambda image: preprocess(image))
    assert torch.equal(ours, theirs)


def test_the_square_is_read_off_open_clips_steps():
    assert preprocessing_of(transform(64)).square == Square(64, "shortest")
    assert preprocessing_of(transform(64, "squash")).square == Square(64, "squash")
