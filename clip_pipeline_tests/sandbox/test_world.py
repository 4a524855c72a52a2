from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from clip_pipeline.sandbox.render import jpeg_bytes, render_scene
from clip_pipeline.sandbox.world import FAULT_SHARES, World

DIGEST = """
import hashlib
from clip_pipeline.sandbox.render import jpeg_bytes, render_scene
from clip_pipeline.sandbox.wikipedia import make_dump
from clip_pipeline.sandbox.world import World
world = World({seed}, 60, 30)
digest = hashlib.sha256(repr(world.photos).encode())
for photo in world.photos[:20]:
    digest.update(jpeg_bytes(render_scene(photo.scene, 96, 72)))
digest.update(make_dump({seed}, 30).pages)
print(digest.hexdigest())
"""


def _digest_in_a_fresh_process(seed: int, hash_seed: str) -> str:
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": root}
    command = [sys.executable, "-c", DIGEST.format(seed=seed)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_a_seed_gives_the_same_bytes_in_every_process_and_another_seed_others():
    assert (
        _digest_in_a_fresh_process(0, "1") == _digest_in_a_fresh_process(0, "2") != _digest_in_a_fresh_process(1, "1")
    )


def test_no_photo_shows_a_held_out_combination(world):
    shown = {combination for photo in world.photos for combination in photo.scene.combinations}
    assert not shown & set(world.unseen)
    assert shown == set(world.seen)


def test_no_caption_names_a_held_out_combination(world):
    for photo in world.photos:
        for name, colour in world.unseen:
            assert not any(f"{colour} {name}" in caption for caption in photo.captions)


def test_every_object_and_every_colour_is_seen_many_times(world):
    counts = Counter(word for photo in world.photos for combination in photo.scene.combinations for word in combination)
    assert min(counts.values()) > 200


def test_ids_and_paths_are_unique_and_look_like_the_real_ones(world):
    assert len({photo.id for photo in world.photos}) == len({photo.path for photo in world.photos}) == 3000
    assert all(len(photo.id) == 11 and photo.path.startswith("photo-1") for photo in world.photos)


def test_some_captions_are_missing_and_two_differ(world):
    missing = Counter((photo.alt_description is None, photo.description is None) for photo in world.photos)
    assert len(missing) == 4 and missing[False, False] > 0.6 * len(world.photos)
    assert all(photo.alt_description != photo.description for photo in world.photos if len(photo.captions) == 2)


def test_about_four_percent_of_the_photos_have_a_fault_and_every_kind_occurs(world):
    faults = Counter(photo.fault for photo in world.photos)
    assert set(faults) == {"", *FAULT_SHARES}
    assert 0.03 < 1 - faults[""] / len(world.photos) < 0.06


def test_exact_copies_repeat_the_bytes_and_near_copies_do_not(world):
    originals = {photo.id: photo for photo in world.photos}
    copies = [photo for photo in world.photos if photo.copy_of]
    assert {photo.exact for photo in copies} == {True, False}
    for photo in copies[:20]:
        images = [jpeg_bytes(render_scene(p.scene, 96, 96)) for p in (photo, originals[photo.copy_of])]
        assert (images[0] == images[1]) == photo.exact


def test_a_smaller_world_is_the_beginning_of_a_larger_one(world):
    assert [photo.id for photo in World(0, 50, 10).photos] == [photo.id for photo in world.photos[:50]]
