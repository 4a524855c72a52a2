from __future__ import annotations

import colorsys
import random

import pytest

from clip_pipeline.sandbox.scenes import (
    COLOURS,
    HSV_RANGES,
    OBJECTS,
    RELATIONS,
    near_duplicate,
    sample_rgb,
    sample_scene,
    shuffled,
    split_combinations,
)


@pytest.mark.parametrize("seed", range(5))
def test_about_a_third_of_the_combinations_is_held_out_evenly(seed):
    seen, unseen = split_combinations(seed)
    assert len(unseen) == 36 and len(seen) == 84 and not set(seen) & set(unseen)
    assert all(sum(name == thing for thing, _ in unseen) == 3 for name in OBJECTS)
    assert all(3 <= sum(colour == tint for _, tint in unseen) <= 4 for colour in COLOURS)


def test_guessing_among_the_unseen_classes_is_right_in_less_than_three_percent():
    assert 1 / len(split_combinations(0)[1]) < 0.03


def test_another_seed_holds_out_other_combinations():
    assert split_combinations(0)[1] != split_combinations(1)[1]


def test_a_sampled_shade_lies_in_the_range_of_its_name_alone():
    rng = random.Random(0)
    for colour in COLOURS:
        for _ in range(200):
            hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in sample_rgb(rng, colour)))
            fits = [name for name in COLOURS if _fits(hue * 360, saturation, value, HSV_RANGES[name])]
            assert fits == [colour]


def _fits(hue, saturation, value, ranges, slack=0.06):
    (hue_low, hue_high), (s_low, s_high), (v_low, v_high) = ranges
    turned = hue - 360 if hue > 350 and hue_low < 0 else hue
    return (
        hue_low - 2 <= turned <= hue_high + 2
        and s_low - slack <= saturation <= s_high + slack
        and v_low - slack <= value <= v_high + slack
    )


def test_the_main_object_lies_where_the_relation_says():
    seen, _ = split_combinations(0)
    found = set()
    for index in range(300):
        scene = sample_scene(random.Random(index), seen[index % len(seen)], seen)
        if scene.second is None:
            assert scene.relation == ""
            continue
        found.add(scene.relation)
        dx, dy = scene.main.x - scene.second.x, scene.main.y - scene.second.y
        assert scene.second.object != scene.main.object
        assert {"left": dx < -0.4, "right": dx > 0.4, "above": dy < -0.4, "below": dy > 0.4}[scene.relation]
    assert found == set(RELATIONS)


def test_objects_stay_within_the_central_square():
    seen, _ = split_combinations(0)
    for index in range(300):
        scene = sample_scene(random.Random(index), seen[index % len(seen)], seen)
        for thing in (scene.main, scene.second):
            if thing is not None:
                assert max(abs(thing.x), abs(thing.y)) + thing.radius <= 0.52


def test_without_seconds_the_object_is_alone():
    assert all(sample_scene(random.Random(i), ("cup", "red"), ()).second is None for i in range(50))


def test_a_near_duplicate_shows_the_same_facts():
    scene = sample_scene(random.Random(3), ("cup", "red"), split_combinations(0)[0])
    other = near_duplicate(random.Random(4), scene)
    assert other != scene and other.combinations == scene.combinations and other.background == scene.background


def test_shuffling_keeps_every_item():
    assert sorted(shuffled(random.Random(1), range(20))) == list(range(20))
