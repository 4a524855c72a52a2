"""Images as models of every shape see them: the bytes that open_clip's own preprocessing gives before it normalises."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.errors import SettingsError
from clip_pipeline.models.preprocessing import OF_OPEN_CLIP, preprocess_steps
from clip_pipeline.training.data.decoded_images import StoredImages, store_images
from clip_pipeline.training.data.image_format import ImageFormat, image_format, prepared_image
from clip_pipeline_tests.training.conftest import SETTINGS, TinyData

WAYS = [
    {"size": [16, 16]},
    {"size": [16, 16], "resize_mode": "squash"},
    {"size": [16, 24], "resize_mode": "squash"},
    {"size": [24, 16]},
    {"size": [16, 16], "interpolation": "bilinear"},
    {"size": [16, 24], "interpolation": "bilinear", "resize_mode": "squash"},
    {"size": [16, 16], "resize_mode": "longest", "fill_color": 77},
    {"size": [16, 16], "interpolation": "random"},
]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_bytes_are_those_of_open_clips_own_steps(way, tmp_path):
    prepared, unchanged = OF_OPEN_CLIP | way, {"mean": [0.0] * 3, "std": [1.0] * 3}
    photo = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    theirs = preprocess_steps(prepared | unchanged)(Image.fromarray(photo)).permute(1, 2, 0).numpy() * 255
    wanted = image_format(prepared)
    assert wanted.shape == tuple(way["size"])
    assert np.array_equal(prepared_image(png(photo), wanted), np.rint(theirs).astype(np.uint8))
    store_images([("a", png(photo))], ["a"], wanted, tmp_path)
    image = np.empty((*wanted.shape, 3), np.uint8)
    StoredImages(tmp_path, ["a"], wanted).read_into(0, image)
    assert np.array_equal(image, np.rint(theirs).astype(np.uint8))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_sixteen_bits_of_gray_are_their_eight_bit_twin(way):
    gray = np.tile(np.linspace(0, 255, 50).astype(np.uint8), (30, 1))
    wanted = image_format(OF_OPEN_CLIP | way)
    assert np.array_equal(prepared_image(png(gray.astype(np.uint16) * 257), wanted), prepared_image(png(gray), wanted))


def test_a_format_comes_back_from_its_name_and_from_its_description():
    formats = [image_format(OF_OPEN_CLIP | way, 32) for way in WAYS]
    assert [one.name for one in formats[:7]] == [
        *("32px_shortest", "32px_squash", "32x48px_squash", "48x32px_shortest"),
        *("32px_shortest_bilinear", "32x48px_squash_bilinear", "32px_longest_fill77"),
    ]
    for one in formats:
        assert ImageFormat.named(one.name) == one == ImageFormat(**one.described())
    assert formats[1].described() == {"side": 32, "resize_mode": "squash"}, "as older folders of images say it"


def test_a_way_of_resizing_that_open_clip_has_not_is_a_sentence():
    for odd in ({"resize_mode": "stretch"}, {"interpolation": "nearest"}):
        with pytest.raises(SettingsError, match="'(stretch|nearest)', expected .* Correct its open_clip_config.json"):
            image_format(OF_OPEN_CLIP | {"size": [16, 16]} | odd)


def test_crops_and_covers_of_images_that_are_not_square_stay_inside(tiny_data: TinyData, tmp_path):
    from clip_pipeline_tests.made.model_forms import FORMS

    name = FORMS["wider than high"](tmp_path / "theirs")
    varied = replace(SETTINGS, steps=2, crop_scale=0.3, flip=True, random_erasing_prob=0.9, cached_image_size=30)
    summary = tiny_data.train(tmp_path, replace(varied, init_from=name, mixup_alpha=0.5))
    assert np.isfinite(summary["final_validation_loss"])
