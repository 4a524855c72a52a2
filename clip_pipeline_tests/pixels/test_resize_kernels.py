"""Crops and scaling against Pillow and torchvision."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.pixels.resize import AS_PILLOW
from clip_pipeline.pixels.resize_kernels import resample


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def resampled(image, box, place, height, width, mirrored=0) -> np.ndarray:
    target = np.empty((height, width, 3), np.uint8)
    resample(image, np.array(box, dtype=float), np.array(place), target, mirrored, AS_PILLOW)
    return target


edges = st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)).map(sorted)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 150), st.integers(2, 150), st.integers(1, 60), st.integers(1, 60), edges, edges)
def test_any_box_is_scaled_to_the_very_bytes_of_pillow(H, W, height, width, across, down):
    box = tuple(float(np.float32(v)) for v in (across[0] * W, down[0] * H, across[1] * W, down[1] * H))
    if box[2] - box[0] < 0.5 or box[3] - box[1] < 0.5:
        return
    image = noise(H, W)
    theirs = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box)
    assert np.array_equal(resampled(image, box, (width, height, 0, 0), height, width), np.asarray(theirs))


def test_a_window_is_that_part_of_the_whole_and_mirroring_turns_it():
    image = noise(40, 70)
    whole = resampled(image, (0, 0, 70, 40), (56, 32, 0, 0), 32, 56)
    window = resampled(image, (0, 0, 70, 40), (56, 32, 12, 3), 20, 30)
    assert np.array_equal(window, whole[3:23, 12:42])
    assert np.array_equal(resampled(image, (0, 0, 70, 40), (56, 32, 12, 3), 20, 30, 1), window[:, ::-1])


def test_a_crop_is_that_of_torchvision():
    """Their crops have whole pixels and see nothing beyond their edge; on a crop cut out beforehand both are the same."""
    define_missing_operators()
    from torchvision.transforms.functional import InterpolationMode, resized_crop

    image = noise(60, 80)
    theirs = resized_crop(Image.fromarray(image), 7, 11, 40, 50, [32, 32], InterpolationMode.BICUBIC)
    cut = np.ascontiguousarray(image[7:47, 11:61])
    assert np.array_equal(resampled(cut, (0, 0, 50, 40), (32, 32, 0, 0), 32, 32), np.asarray(theirs))
    inside = resampled(image, (11, 7, 61, 47), (32, 32, 0, 0), 32, 32)
    assert np.array_equal(inside[3:-3, 3:-3], np.asarray(theirs)[3:-3, 3:-3]), "only the edge sees beyond the box"
