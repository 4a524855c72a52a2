"""What happens to a step's images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.training.data.augmentation import NO_AUGMENTATION, Augmentation, crop_boxes, draw_augmentation

VARIED = Augmentation(crop_scale=0.5, flip=True, color_jitter=0.3)


def noise(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def varied(wanted: Augmentation, step: int, stored: np.ndarray, size: int, seed: int = 1) -> np.ndarray:
    augmentation = wanted.draw_images(seed, step, len(stored))
    images = np.empty((len(stored), size, size, 3), np.uint8)
    for place, image in enumerate(images):
        augmentation.apply(place, stored[place], image)
    return images


def test_without_augmentation_nothing_is_drawn():
    assert NO_AUGMENTATION.draw_images(0, 3, 8) is None and draw_augmentation(0, 3, 8) is None


def test_it_depends_on_seed_and_step_alone():
    stored = noise(8, 20)
    one = varied(VARIED, 3, stored, 16)
    assert np.array_equal(one, varied(VARIED, 3, stored, 16))
    assert not np.array_equal(one, varied(VARIED, 4, stored, 16))
    assert not np.array_equal(one, varied(VARIED, 3, stored, 16, seed=2))


@pytest.mark.parametrize("size", [16, 20])
def test_a_crop_is_pillows_and_may_be_mirrored(size):
    stored, augmentation = noise(8, 20), draw_augmentation(1, 0, 8, scale=0.5, flip=True)
    for place, image in enumerate(varied(Augmentation(crop_scale=0.5, flip=True), 0, stored, size)):
        box = tuple(augmentation.boxes[place] * 20)
        theirs = Image.fromarray(stored[place]).resize((size, size), Image.Resampling.BICUBIC, box=box)
        if augmentation.mirrored[place]:
            theirs = theirs.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert (
            np.abs(image.astype(int) - np.asarray(theirs)).max() <= 1
        )  # a box of double precision is theirs of single
    assert 0 < augmentation.mirrored.sum() < 8


@pytest.mark.parametrize("scale", [1.0, 0.9999])
def test_mirroring_turns_left_to_right_and_about_half_of_the_photos(scale):
    smooth = np.asarray(Image.fromarray(noise(1, 4)[0]).resize((16, 16)))
    wanted = Augmentation(flip=True, crop_scale=scale)
    images = varied(wanted, 0, np.repeat(smooth[None], 200, axis=0), 16, seed=0).astype(int)
    kept = sum(np.abs(image - smooth).max() < 5 for image in images)
    turned = sum(np.abs(image - smooth[:, ::-1]).max() < 5 for image in images)
    assert kept + turned == 200
    assert 70 < kept < 130


def test_crops_have_the_area_and_the_aspect_that_is_asked_for_and_lie_inside():
    boxes = crop_boxes(np.random.default_rng(0).random((20_000, 4)), 0.4)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    area, aspect = width * height, width / height
    assert boxes.min() >= 0 and boxes.max() <= 1
    assert 0.4 - 1e-9 <= area.min() < 0.41 and 0.99 < area.max() <= 1 + 1e-9
    assert abs(area.mean() - 0.7) < 0.01, "areas are even"
    assert 3 / 4 - 1e-9 <= aspect.min() < 0.76 and 1.32 < aspect.max() <= 4 / 3 + 1e-9
    assert abs(np.log(aspect).mean()) < 0.01, "wide and tall are as frequent"
    assert abs(((boxes[:, 0] + boxes[:, 2]) / 2).mean() - 0.5) < 0.01, "the middle of the crops is the image's"


def test_a_brightness_of_one_adds_half_of_the_range():
    grey = np.full((8, 16, 16, 3), 128, np.uint8)
    augmentation = draw_augmentation(1, 0, 8, jitter=0.2)
    added = varied(Augmentation(color_jitter=0.2), 0, grey, 16)[:, 0, 0, 0] - 128.0
    assert np.abs(added - 127.5 * augmentation.brightness).max() <= 0.5
    assert np.abs(augmentation.brightness).max() <= 0.2 and np.abs(augmentation.contrast).max() <= 0.2


def test_saturation_is_as_strong_as_the_jitter_and_some_photos_are_grey():
    augmentation = draw_augmentation(0, 0, 400, jitter=0.4, grayscale_prob=0.25)
    grey = augmentation.saturation == 0
    assert 0.18 < grey.mean() < 0.32
    assert np.abs(augmentation.saturation[~grey] - 1).max() <= 0.4
    assert np.abs(augmentation.saturation[~grey] - 1).mean() == pytest.approx(0.2, abs=0.03)


def test_a_grey_photo_has_three_equal_colours():
    images = varied(Augmentation(grayscale_prob=1.0), 0, noise(8, 16), 16, seed=0)
    assert np.ptp(images, axis=-1).max() == 0
    assert np.abs(images[..., 0] - noise(8, 16).mean(-1)).max() <= 0.5 + 1e-9


def test_erasing_covers_one_rectangle_of_the_size_that_is_told_and_leaves_the_rest():
    stored = np.repeat(noise(1, 30), 300, axis=0)
    stored[stored == 123] = 122  # no pixel has the cover's colour by itself
    images = varied(Augmentation(random_erasing_prob=0.5), 0, stored, 30, seed=0)
    covered = (images == np.array([123, 117, 104])).all(-1)
    assert 0.4 < covered.any((1, 2)).mean() < 0.6
    for image, mask in zip(images, covered, strict=True):
        assert (image[~mask] == stored[0][~mask]).all()
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == rows * columns
        assert mask.sum() == 0 or (4 <= rows <= 16 and 4 <= columns <= 16)


def test_what_is_new_changes_nothing_of_what_was_drawn_before():
    plain = VARIED.draw_images(1, 5, 8)
    more = dataclasses.replace(VARIED, grayscale_prob=0.5, random_erasing_prob=0.5).draw_images(1, 5, 8)
    for name in ("boxes", "mirrored", "contrast", "brightness"):
        assert np.array_equal(getattr(plain, name), getattr(more, name))
