from __future__ import annotations

import random

import pytest

from clip_pipeline.sandbox.captions import (
    OPPOSITE,
    OTHER_NAMES,
    RELATION_PHRASES,
    SIDE_PHRASES,
    ZERO_SHOT_TEMPLATES,
    describe_in_a_sentence,
    describe_scene,
    with_article,
)
from clip_pipeline.sandbox.scenes import sample_scene, split_combinations

SEEN, _ = split_combinations(0)


def _scenes(count=300):
    return [sample_scene(random.Random(index), SEEN[index % len(SEEN)], SEEN) for index in range(count)]


def _names(thing):
    return {f"{thing.colour} {name}" for name in (thing.object, OTHER_NAMES.get(thing.object, thing.object))}


def test_every_caption_names_the_main_object_with_its_colour():
    for index, scene in enumerate(_scenes()):
        caption = describe_scene(scene, random.Random(index))
        assert any(name in caption for name in _names(scene.main))


def test_a_relation_is_said_the_right_way_round():
    checked = 0
    for index, scene in enumerate(_scenes()):
        if scene.second is None:
            continue
        caption = describe_scene(scene, random.Random(index))
        main = next(name for name in _names(scene.main) if name in caption)
        second = next((name for name in _names(scene.second) if name in caption), None)
        if second is None:
            continue
        checked += 1
        relation = scene.relation if caption.index(main) < caption.index(second) else OPPOSITE[scene.relation]
        between = caption[
            min(caption.index(main), caption.index(second)) : max(caption.index(main), caption.index(second))
        ]
        if " with " in between:
            assert SIDE_PHRASES[OPPOSITE[scene.relation]] in caption
        else:
            assert any(f" {phrase} " in between for phrase in RELATION_PHRASES[relation])
    assert checked > 100


def test_the_same_scene_has_many_wordings():
    scene = _scenes(2)[1]
    assert len({describe_scene(scene, random.Random(index)) for index in range(60)}) > 25


def test_captions_have_no_double_spaces_and_no_loose_comma():
    for index, scene in enumerate(_scenes()):
        for caption in (
            describe_scene(scene, random.Random(index)),
            describe_in_a_sentence(scene, random.Random(index)),
        ):
            assert "  " not in caption and " ," not in caption and caption == caption.strip()


def test_a_sentence_begins_with_a_capital():
    assert all(describe_in_a_sentence(scene, random.Random(1))[0].isupper() for scene in _scenes(20))


@pytest.mark.parametrize(("words", "expected"), [("red cup", "a red cup"), ("orange cup", "an orange cup")])
def test_the_article_fits(words, expected):
    assert with_article(words) == expected


def test_templates_take_a_class_name_without_a_wrong_article():
    assert all("{c}" in template and " a {c}" not in f" {template}" for template in ZERO_SHOT_TEMPLATES)
