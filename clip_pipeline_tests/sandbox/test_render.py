from __future__ import annotations

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from clip_pipeline.sandbox.render import jpeg_bytes, render_scene
from clip_pipeline.sandbox.scenes import BACKGROUNDS, LIGHTS, OBJECTS, near_duplicate, sample_scene


@pytest.mark.parametrize(("width", "height"), [(96, 72), (72, 96), (64, 64), (601, 507), (7, 3)])
def test_a_image_has_the_size_that_was_asked_for(width, height):
    image = render_scene(sample_scene(random.Random(0), ("cup", "red"), ()), width, height)
    assert image.size == (width, height) and image.mode == "RGB"


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_is_drawn_in_its_colour(name):
    scene = _plain(sample_scene(random.Random(5), (name, "red"), ()))
    pixels = np.asarray(render_scene(scene, 128, 128)).astype(int)
    reddish = (pixels[..., 0] > 130) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    assert reddish.mean() > 0.01
    rows, columns = np.nonzero(reddish)
    assert abs(columns.mean() / 128 - 0.5 - scene.main.x) < 0.15
    assert abs(rows.mean() / 128 - 0.5 - scene.main.y) < 0.25


def test_the_same_scene_gives_the_same_bytes_and_another_gives_others():
    first, second = (sample_scene(random.Random(index), ("fish", "blue"), ()) for index in (1, 2))
    assert jpeg_bytes(render_scene(first, 96, 72)) == jpeg_bytes(render_scene(first, 96, 72))
    assert jpeg_bytes(render_scene(first, 96, 72)) != jpeg_bytes(render_scene(second, 96, 72))


def test_every_background_and_light_looks_different():
    scene = _plain(sample_scene(random.Random(1), ("key", "green"), ()))
    images = {}
    for background in BACKGROUNDS:
        for light in LIGHTS:
            changed = replace(scene, background=background, light=light)
            images[background, light] = np.asarray(render_scene(changed, 48, 48)).astype(float)
    names = list(images)
    nearest = min(np.abs(images[a] - images[b]).mean() for i, a in enumerate(names) for b in names[i + 1 :])
    assert nearest > 2


def test_a_near_duplicate_differs_little():
    scene = _plain(sample_scene(random.Random(2), ("house", "blue"), ()))
    other = near_duplicate(random.Random(3), scene)
    first, second = (np.asarray(render_scene(s, 96, 96)).astype(float) for s in (scene, other))
    assert 0 < np.abs(first - second).mean() < 15


def test_drawing_is_quick_enough_for_a_loopback_server():
    scenes = [sample_scene(random.Random(index), ("car", "red"), ()) for index in range(100)]
    for scene in scenes:
        render_scene(scene, 96, 72)
    started = time.perf_counter()
    for scene in scenes:
        render_scene(scene, 96, 72)
    assert (time.perf_counter() - started) / len(scenes) < 0.01  # 0.0003 s measured; slow machines have room


def _plain(scene):
    return replace(scene, background="studio", light="plain", grain=0.0)
