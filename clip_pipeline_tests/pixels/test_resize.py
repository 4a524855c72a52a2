"""Scaling, beside Pillow's."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_pipeline.pixels.resize import resize_rgb
from clip_pipeline_tests.images.photos import scene

SIDES = st.integers(1, 130) | st.sampled_from([7, 8, 9, 255, 256, 257, 640])


def pillow(image: Image.Image, width: int, height: int) -> np.ndarray:
    """Pillow's bicubic, the height first."""
    rows = image.resize((image.width, height), Image.Resampling.BICUBIC)
    return np.asarray(rows.resize((width, height), Image.Resampling.BICUBIC)).astype(int)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(old=st.tuples(SIDES, SIDES), new=st.tuples(SIDES, SIDES), seed=st.integers(0, 99), noise=st.booleans())
def test_every_value_is_pillow_s_to_within_two_for_any_sizes(old, new, seed, noise):
    generator = np.random.default_rng(seed)
    image = scene(seed, size=old) if min(old) > 8 and not noise else None
    if image is None:
        image = Image.fromarray(generator.integers(0, 256, (old[1], old[0], 3), np.uint8))
    ours = resize_rgb(np.array(image), *new).astype(int)
    assert ours.shape == (new[1], new[0], 3)
    assert np.abs(ours - pillow(image, *new)).max() <= 2


def test_photos_differ_by_two_at_most_and_hardly_anywhere(shared_data):
    import io
    import tarfile

    with tarfile.open(shared_data("flickr8k_orig_1000.tar")) as tar:
        entries = [entry for entry in tar if entry.name.endswith(".jpg")][:20]
        for entry in entries:
            image = Image.open(io.BytesIO(tar.extractfile(entry).read())).convert("RGB")
            for shorter in (64, 112, 224, 256):
                scale = shorter / min(image.size)
                size = round(image.width * scale), round(image.height * scale)
                difference = np.abs(resize_rgb(np.array(image), *size) - pillow(image, *size))
                assert difference.max() <= 2
                assert difference.mean() < 0.02


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_plain_colour_stays_as_it_is(value):
    plain = np.full((37, 53, 3), value, np.uint8)
    for size in ((5, 3), (53, 37), (200, 11), (1, 1)):
        assert (resize_rgb(plain, *size) == value).all()


def test_the_same_size_is_the_same_image():
    image = np.array(scene(3))
    assert (resize_rgb(image, image.shape[1], image.shape[0]) == image).all()


@pytest.mark.parametrize(
    ("old", "new", "digest"),
    [
        ((640, 480), (341, 256), "887b6e07585747e6"),
        ((500, 333), (96, 64), "63749579f78b8d65"),
        ((97, 61), (130, 200), "06e716c3d7f80849"),
        ((640, 480), (640, 256), "ce82a58a64fc136f"),
        ((640, 480), (341, 480), "8647210e47195aad"),
        ((33, 500), (3, 64), "94618807f3dc53b9"),
    ],
)
def test_shards_keep_the_bytes_they_had_when_they_had_a_resizer_of_their_own(old, new, digest):
    """Digests of what the resizer of version 0.1 gave."""
    noise = np.random.default_rng(old[0] * old[1]).integers(0, 256, (old[1], old[0], 3), dtype=np.uint8)
    assert hashlib.sha256(resize_rgb(noise, *new).tobytes()).hexdigest()[:16] == digest
