"""Which words a limited number of requests goes to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.images.links.search_plan import LAST_PAGE, plan_requests

WORDS = [f"word{number}" for number in range(5)]


def test_without_a_limit_every_word_has_the_pages_it_may_need():
    assert plan_requests(WORDS, 100, 30, 0) == dict.fromkeys(WORDS, 4)


def test_a_limit_goes_to_the_first_words():
    assert plan_requests(WORDS, 100, 30, 10) == {"word0": 4, "word1": 4, "word2": 2}
    assert plan_requests(WORDS, 100, 30, 3) == {"word0": 3}
    assert plan_requests(WORDS, 100, 30, 99) == dict.fromkeys(WORDS, 4)


def test_pages_that_are_empty_for_any_word_are_not_planned():
    assert plan_requests(WORDS, 6000, 10, 0) == dict.fromkeys(WORDS, LAST_PAGE)
    assert plan_requests(WORDS, 6000, 30, 0) == dict.fromkeys(WORDS, 200)


@given(st.integers(0, 30), st.integers(1, 6000), st.integers(1, 30), st.integers(0, 3000))
def test_the_plan_spends_the_limit_from_the_front_and_never_more(count, photos, per_page, limit):
    words = [f"word{number}" for number in range(count)]
    plan = plan_requests(words, photos, per_page, limit)
    whole = plan_requests(words, photos, per_page, 0)
    assert list(plan) == words[: len(plan)]
    assert list(plan.values())[:-1] == list(whole.values())[: max(len(plan) - 1, 0)]
    assert sum(plan.values()) == (min(limit, sum(whole.values())) if limit else sum(whole.values()))
