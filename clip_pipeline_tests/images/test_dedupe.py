"""Near-duplicates: what counts as the same photo, and groups against plain comparison of all pairs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from clip_pipeline.images.dedupe import (
    THUMBNAIL_BYTES,
    _pairs_that_look_alike,
    colour_thumbnail,
    near_duplicate_groups,
    perceptual_hash,
)
from clip_pipeline_tests.images.photos import jpeg, scene

MAX_BITS = 4
PLAIN = bytes(THUMBNAIL_BYTES)


def groups_of(*images: Image.Image) -> list[int]:
    hashes = [perceptual_hash(image) for image in images]
    return near_duplicate_groups(hashes, [colour_thumbnail(image) for image in images], [], MAX_BITS)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(jpeg(image, quality)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((96, 72)),
        lambda image: image.resize((1200, 900)),
        lambda image: compressed(image, 20),
        lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        lambda image: ImageEnhance.Brightness(image).enhance(0.9),
        lambda image: image.crop((2, 2, 238, 179)),
    ],
    ids=["smaller", "larger", "compressed", "brighter", "darker", "cropped"],
)
def test_a_changed_copy_is_in_the_group_of_its_photo(change, seed):
    image = scene(seed)
    assert groups_of(image, change(image)) == [0, 0]


def test_different_scenes_are_not_grouped():
    assert groups_of(*(scene(seed) for seed in range(40))) == list(range(40))


def test_the_same_scene_in_another_colour_is_another_photo_although_its_hash_is_the_same():
    red, green = scene(1, (200, 0, 0)), scene(1, (0, 102, 0))  # both have gray 60
    assert (perceptual_hash(red) ^ perceptual_hash(green)).bit_count() <= MAX_BITS
    assert groups_of(red, green) == [0, 1]


def test_a_plain_image_has_the_same_hash_in_every_size_and_gray():
    hashes = {
        perceptual_hash(Image.new("RGB", size, (gray, gray, gray)))
        for size in [(10, 10), (64, 48), (333, 77)]
        for gray in (1, 77, 128, 255)
    }
    assert len(hashes) == 1


def test_a_hash_has_64_bits_of_which_half_are_set():
    value = perceptual_hash(scene(3))
    assert 0 <= value < 2**64
    assert value.bit_count() == 32


def test_a_thumbnail_is_192_bytes_row_by_row():
    image = Image.new("RGB", (80, 80), "red")
    image.paste("blue", (0, 40, 80, 80))
    thumbnail = np.frombuffer(colour_thumbnail(image), np.uint8).reshape(8, 8, 3)
    assert thumbnail[3, 7].tolist() == [255, 0, 0]
    assert thumbnail[4, 0].tolist() == [0, 0, 255]


def nearby(seeds: list[int], flips: list[list[int]]) -> list[int]:
    """Each seed, and each seed with some bits turned over: hashes of which many are near one another."""
    return seeds + [seed ^ sum(1 << bit for bit in set(bits)) for seed in seeds for bits in flips]


HASHES = st.builds(
    nearby,
    st.lists(st.integers(0, 2**64 - 1), max_size=6),
    st.lists(st.lists(st.integers(0, 63), max_size=8), max_size=6),
)


@pytest.mark.slow
@given(hashes=HASHES, max_bits=st.integers(0, 16))
def test_candidate_pairs_are_those_of_comparing_each_with_each(hashes, max_bits):
    expected = {
        (left, right)
        for right in range(len(hashes))
        for left in range(right)
        if (hashes[left] ^ hashes[right]).bit_count() <= max_bits
    }
    alike = np.zeros((len(hashes), THUMBNAIL_BYTES), np.int16)
    assert set(_pairs_that_look_alike(np.array(hashes, np.uint64), alike, max_bits)) == expected


@pytest.mark.slow
@given(hashes=HASHES, numbers=st.randoms(use_true_random=False))
def test_groups_are_connected_parts_named_by_their_smallest_index_in_any_order(hashes, numbers):
    count = len(hashes)
    thumbnails = [bytes([numbers.choice([0, 200])]) * 96 + bytes(96) for _ in hashes]
    pages = [str(numbers.randrange(20)) for _ in hashes]
    near = np.eye(count, dtype=bool)
    for a in range(count):
        for b in range(count):
            alike = (hashes[a] ^ hashes[b]).bit_count() <= MAX_BITS and thumbnails[a] == thumbnails[b]
            near[a, b] |= alike or pages[a] == pages[b]
    reached = np.linalg.matrix_power(near.astype(float) / max(count, 1), count) > 0 if count else near
    expected = [int(np.flatnonzero(row)[0]) for row in reached]
    assert near_duplicate_groups(hashes, thumbnails, [pages], MAX_BITS) == expected

    order = list(range(count))
    numbers.shuffle(order)
    moved = near_duplicate_groups(
        [hashes[i] for i in order], [thumbnails[i] for i in order], [[pages[i] for i in order]], MAX_BITS
    )
    assert parts(moved, order) == parts(expected, list(range(count)))


def parts(groups: list[int], names: list[int]) -> set[frozenset[int]]:
    members: dict[int, set[int]] = {}
    for name, group in zip(names, groups, strict=True):
        members.setdefault(group, set()).add(name)
    return {frozenset(part) for part in members.values()}


def test_belonging_is_passed_on():
    hashes = [0, 0b1111, 0b1111_1111, 2**64 - 1]
    assert near_duplicate_groups(hashes, [PLAIN] * 4, [], MAX_BITS) == [0, 0, 0, 3]


def test_a_shared_value_joins_photos_that_look_different():
    assert near_duplicate_groups([0, 2**64 - 1, 2**40 - 1], [PLAIN] * 3, [["a", "b", "a"]], MAX_BITS) == [0, 1, 0]


def test_twenty_thousand_copies_of_one_placeholder_are_one_group():
    hashes = [0b1] * 20_000 + [0b11, 2**64 - 1]
    thumbnails = [PLAIN] * 20_000 + [bytes([3]) * THUMBNAIL_BYTES, PLAIN]
    assert near_duplicate_groups(hashes, thumbnails, [], MAX_BITS) == [0] * 20_001 + [20_001]


def test_no_photos_have_no_groups():
    assert near_duplicate_groups([], [], [], MAX_BITS) == []


@pytest.mark.slow
def test_a_thousand_photos_with_one_hash_and_other_colours_take_no_time_and_no_group():
    colours = np.random.default_rng(0).integers(0, 256, (1000, THUMBNAIL_BYTES), np.uint8)
    groups = near_duplicate_groups([7] * 1000, [colour.tobytes() for colour in colours], [], 4)
    assert groups == list(range(1000))
