from __future__ import annotations

from clip_pipeline.sandbox.scenes import COLOURS, OBJECTS
from clip_pipeline.sandbox.search_index import SearchIndex, photo_tags, search_words


def test_a_word_finds_the_photos_that_have_it(world):
    index = SearchIndex(world)
    for word in ("cup", "red", "beach"):
        found = set(index.find(word))
        assert found == {place for place, photo in enumerate(world.photos) if word in photo_tags(photo)} and found


def test_several_words_must_all_be_there(world):
    index = SearchIndex(world)
    assert set(index.find("Red cup")) == set(index.find("red")) & set(index.find("cup"))


def test_words_that_say_nothing_find_nothing(world):
    index = SearchIndex(world)
    assert all(index.find(word) == [] for word in ("the", "", "  ", "government"))


def test_every_photo_is_found_by_several_words(world):
    assert all(len(set(photo_tags(photo))) >= 3 for photo in world.photos)
    assert {tag for photo in world.photos for tag in photo_tags(photo)} == set(search_words())
    assert {*OBJECTS, *COLOURS} <= set(search_words())


def test_results_are_in_an_order_of_the_words_own(world):
    index = SearchIndex(world)
    assert index.find("cup") == SearchIndex(world).find("cup") != sorted(index.find("cup"))
