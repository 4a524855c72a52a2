"""Photos decoded to what the model sees."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import PhotosError, SettingsError, TrainingError
from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.pixels.decode import decode
from clip_pipeline.pixels.normalise import normalised_images
from clip_pipeline.pixels.resize import Square, fit_square
from clip_pipeline.training.data.decoded_images import StoredImages, store_images
from clip_pipeline.training.data.image_format import ImageFormat, image_format


def jpeg(width: int, height: int, seed: int = 0, mode: str = "RGB") -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((width, height)).convert(mode).save(buffer, "JPEG")
    return buffer.getvalue()


def decode_image(content: bytes, side: int, mode: str) -> np.ndarray:
    return fit_square(decode(content), Square(side, mode))


@pytest.mark.parametrize("mode", ["squash", "shortest"])
@pytest.mark.parametrize("size", [(40, 30), (30, 41), (33, 97), (16, 16)])
def test_training_sees_the_very_pixels_that_open_clip_prepares_for_inference(mode, size):
    define_missing_operators()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    content = jpeg(*size)
    config = PreprocessCfg(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", resize_mode=mode)
    theirs = image_transform_v2(config, is_train=False)(Image.open(io.BytesIO(content)))
    ours = normalised_images(decode_image(content, 16, mode)[None], [0.5] * 3, [0.5] * 3)[0]
    assert np.array_equal(theirs.numpy(), ours.numpy())


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_printers_photos_come_out_as_pillow_has_them(mode):
    content = jpeg(40, 30, mode=mode)
    image = Image.open(io.BytesIO(content)).convert("RGB").resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(decode_image(content, 16, "squash"), np.asarray(image))


def test_other_kinds_of_files_are_decoded_too():
    buffer = io.BytesIO()
    Image.open(io.BytesIO(jpeg(40, 30))).save(buffer, "PNG")
    assert np.array_equal(decode_image(buffer.getvalue(), 16, "squash"), decode_image(jpeg(40, 30), 16, "squash"))


SQUARE = ImageFormat(16, "squash")


def read(folder, photo_ids, wanted=SQUARE) -> np.ndarray:
    source = StoredImages(folder, photo_ids, wanted)
    images = np.empty((len(source), *source.shape, 3), np.uint8)
    for row, image in enumerate(images):
        source.read_into(row, image)
    return images


def test_rows_stand_in_the_order_of_the_ids_whatever_the_order_of_arrival(tmp_path):
    photos = [(name, jpeg(20, 20, seed)) for seed, name in enumerate("cab")]
    store_images(photos, ["a", "b"], SQUARE, tmp_path)
    assert np.load(tmp_path / "images.npy").shape == (2, 16, 16, 3)
    expected = [decode_image(content, 16, "squash") for _, content in photos]
    assert np.array_equal(np.load(tmp_path / "images.npy"), [expected[1], expected[2]])
    assert np.array_equal(read(tmp_path, ["b", "a", "b"]), [expected[2], expected[1], expected[2]])
    assert read(tmp_path, []).shape == (0, 16, 16, 3)


def test_the_same_photos_give_the_same_files_whatever_the_number_of_threads(tmp_path):
    photos = [(f"photo{row:02d}", jpeg(20, 20, row)) for row in range(30)]
    for name, workers, order in (("one", 1, photos), ("three", 3, photos[::-1])):
        (tmp_path / name).mkdir()
        store_images(order, [photo_id for photo_id, _ in photos], SQUARE, tmp_path / name, workers)
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "three").iterdir()}


def test_a_finished_file_is_used_again_and_another_list_of_photos_is_not(tmp_path):
    store_images([("a", jpeg(20, 20))], ["a"], SQUARE, tmp_path)

    def none_left():
        raise AssertionError("the photos were read a second time")
        yield

    store_images(none_left(), ["a"], SQUARE, tmp_path)
    with pytest.raises(AssertionError, match="second time"):
        store_images(none_left(), ["b"], SQUARE, tmp_path)
    with pytest.raises(TrainingError, match="holds nothing that is whole, expected images as 16px_squash"):
        StoredImages(tmp_path, ["a"], SQUARE)


def test_images_of_another_format_or_of_other_photos_get_a_sentence(tmp_path):
    store_images([("a", jpeg(20, 20))], ["a"], SQUARE, tmp_path)
    with pytest.raises(TrainingError, match="holds images as 16px_squash, expected images as 16px_shortest"):
        StoredImages(tmp_path, ["a"], ImageFormat(16, "shortest"))
    with pytest.raises(TrainingError, match="Photo b of the pairs is not among the stored images"):
        StoredImages(tmp_path, ["a", "b"], SQUARE)
    source = StoredImages(tmp_path, ["a"], SQUARE)
    (tmp_path / "images.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:-1])
    with pytest.raises(TrainingError, match="ends before its 1 images"):
        source.read_into(0, np.empty((16, 16, 3), np.uint8))


def test_absent_and_broken_photos_get_a_sentence(tmp_path):
    with pytest.raises(TrainingError, match="1 of 2 photos of the pairs are not in the shards, such as b"):
        store_images([("a", jpeg(20, 20))], ["a", "b"], SQUARE, tmp_path)
    with pytest.raises(PhotosError, match="Photo a in the shards cannot be decoded"):
        store_images([("a", jpeg(20, 20)[:60])], ["a"], SQUARE, tmp_path)
    with pytest.raises(PhotosError, match="Photo a in the shards cannot be decoded"):
        store_images([("a", b"no image")], ["a"], SQUARE, tmp_path)


def test_a_photo_that_would_fill_the_memory_gets_a_sentence(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (20, 20)).save(stream, "PNG")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    photo = stream.getvalue()[:12] + header + struct.pack(">I", zlib.crc32(header)) + stream.getvalue()[33:]
    with pytest.raises(PhotosError, match="Photo a in the shards cannot be decoded: .*60000"):
        store_images([("a", photo)], ["a"], SQUARE, tmp_path)


def test_the_format_is_the_models_or_a_larger_one_and_has_a_name():
    preprocess = {"size": [112, 112], "resize_mode": "shortest"}
    assert image_format(preprocess).name == "112px_shortest"
    larger = image_format(preprocess, cached_image_size=128)
    assert larger == ImageFormat.named(larger.name) == ImageFormat(128, "shortest")
    with pytest.raises(SettingsError, match="cached_image_size is 100, less than the 112 pixels .* such as 128"):
        image_format(preprocess, cached_image_size=100)
    with pytest.raises(SettingsError, match='"112" is no format'):
        ImageFormat.named("112")
