from __future__ import annotations

import pytest

from clip_pipeline.images.links.word_matcher import WordMatcher

WORDS = ["red", "cup", "new york", "york", "cups"]


def words_of(captions, keywords=()):
    return sorted(WORDS[number] for number in WordMatcher(WORDS).in_photo(captions, keywords))


def test_captions_hold_words_whole_and_in_any_case():
    assert words_of(["A Red cup, on a table", "redder"]) == ["cup", "red"]


def test_a_keyword_matches_as_a_whole_too():
    assert words_of([], ["New  York"]) == ["new york", "york"]
    assert words_of(["New York"]) == ["york"], "a caption only word by word"


def test_numbers_are_the_places_in_the_list():
    assert WordMatcher(WORDS).in_keyword("red cup") == (0, 1)
    assert WordMatcher([]).in_photo(["A cup"], ["cup"]) == set()


def test_a_possessive_is_its_word_where_it_is_none_itself():
    assert WordMatcher(["lincoln"]).in_captions(["Lincoln’s hat"]) == {0}
    assert WordMatcher(["lincoln", "lincoln's"]).in_captions(["Lincoln's hat"]) == {1}


def test_captions_without_spaces_are_cut_into_words():
    pytest.importorskip("icu4py")
    assert WordMatcher(["北京", "城市"]).in_captions(["北京是一个城市"]) == {0, 1}
