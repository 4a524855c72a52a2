"""Photos decoded to what the model sees."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import PhotosError, TrainingError
from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.training.batches import normalised_pictures
from clip_pipeline.training.pictures import decode_picture, decode_pictures


def jpeg(width: int, height: int, seed: int = 0, mode: str = "RGB") -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((width, height)).convert(mode).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["squash", "shortest"])
@pytest.mark.parametrize("size", [(40, 30), (30, 41), (33, 97), (16, 16)])
def test_training_sees_the_very_pixels_that_open_clip_prepares_for_inference(mode, size):
    define_missing_operators()
    from open_clip.transform import PreprocessCfg, image_transform_v2

    content = jpeg(*size)
    config = PreprocessCfg(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", resize_mode=mode)
    theirs = image_transform_v2(config, is_train=False)(Image.open(io.BytesIO(content)))
    ours = normalised_pictures(decode_picture(content, 16, mode)[None], [0.5] * 3, [0.5] * 3)[0]
    assert np.array_equal(theirs.numpy(), ours.numpy())


def test_rows_stand_in_the_order_of_the_ids_whatever_the_order_of_arrival(tmp_path):
    photos = [(name, jpeg(20, 20, seed)) for seed, name in enumerate("cab")]
    pictures = decode_pictures(photos, ["a", "b"], 16, "squash", tmp_path)
    assert pictures.shape == (2, 16, 16, 3)
    assert np.array_equal(pictures[0], decode_picture(photos[1][1], 16, "squash"))
    assert np.array_equal(pictures[1], decode_picture(photos[2][1], 16, "squash"))


def test_a_finished_file_is_used_again_and_another_list_of_photos_is_not(tmp_path):
    decode_pictures([("a", jpeg(20, 20))], ["a"], 16, "squash", tmp_path)

    def none_left():
        raise AssertionError("the photos were read a second time")
        yield

    decode_pictures(none_left(), ["a"], 16, "squash", tmp_path)
    with pytest.raises(AssertionError, match="second time"):
        decode_pictures(none_left(), ["b"], 16, "squash", tmp_path)


def test_absent_and_broken_photos_get_a_sentence(tmp_path):
    with pytest.raises(TrainingError, match="1 of 2 photos of the pairs are not in the shards, such as b"):
        decode_pictures([("a", jpeg(20, 20))], ["a", "b"], 16, "squash", tmp_path)
    with pytest.raises(PhotosError, match="Photo a in the shards cannot be decoded"):
        decode_pictures([("a", jpeg(20, 20)[:60])], ["a"], 16, "squash", tmp_path)
    with pytest.raises(PhotosError, match="Photo a in the shards cannot be decoded"):
        decode_pictures([("a", b"no picture")], ["a"], 16, "squash", tmp_path)
