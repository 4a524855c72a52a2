from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.sources.web.retries import (
    MAX_WAIT_SECONDS,
    Retries,
    backoff_seconds,
    may_pass,
    retry_after_seconds,
)

NOW = 1_700_000_000.0


def test_pauses_grow_and_what_is_told_comes_before_them():
    made: list[float] = []
    tried = Retries("it", 5, made.append)
    for told in (None, None, 7.0, 1e6):
        tried.failed("busy", told)
    assert tried.left and tried.problem == "busy"
    assert 0.125 <= made[0] <= 0.25 <= made[1] <= 0.5
    assert made[2:] == [7.0, MAX_WAIT_SECONDS]
    tried.failed("gone")
    assert not tried.left and len(made) == 4, "nobody waits after the last try"


def test_a_wait_counts_no_failure():
    made: list[float] = []
    tried = Retries("it", 1, made.append)
    tried.busy("its turn", 3.0)
    assert tried.left and made == [3.0]


def test_only_so_many_waits_are_granted_and_failures_count_apart():
    made: list[float] = []
    tried = Retries("it", 2, made.append, max_waits=3)
    tried.failed("broken")
    for _ in range(2):
        tried.busy("lagging", 5.0)
    assert tried.left and (tried.failures, tried.waits, len(made)) == (1, 2, 3)
    tried.busy("lagging", 5.0)
    assert not tried.left and len(made) == 3, "nobody waits after the last one"


def test_failures_count_in_a_row():
    tried = Retries("it", 2, lambda seconds: None)
    for _ in range(5):
        tried.failed("cut")
        tried.progressed()
    assert tried.left
    assert tried.next_pause("cut") is not None
    assert tried.next_pause("cut") is None


def test_a_pause_that_was_asked_for_gets_jitter_where_it_is_wanted_and_no_pause_at_all_is_never_made():
    spread = [Retries("it", 5, jitter_seconds=0.5).next_pause("busy", 7.0) for _ in range(50)]
    assert 7 <= min(spread) < max(spread) <= 7.5
    assert Retries("it", 5).next_pause("busy", 0.0) > 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert retry_after_seconds({"Retry-After": text}, NOW) == seconds


def test_no_retry_after_is_none():
    assert retry_after_seconds({}, NOW) is None


@given(st.text(max_size=40))
def test_any_retry_after_gives_none_or_a_wait_that_is_not_negative(text):
    seconds = retry_after_seconds({"Retry-After": text}, NOW)
    assert seconds is None or seconds >= 0


def test_pauses_double_with_chance_in_them_and_end_at_half_a_minute():
    generator = random.Random(0)
    for attempt, longest in enumerate([0.25, 0.5, 1.0, 2.0]):
        pauses = [backoff_seconds(attempt, generator) for _ in range(50)]
        assert longest / 2 <= min(pauses) < max(pauses) <= longest
    assert backoff_seconds(1000, generator) <= 30


def test_which_statuses_may_pass():
    assert [status for status in (200, 301, 400, 401, 403, 404, 408, 410, 425, 429, 500, 503, 599) if may_pass(status)] == [
        408, 425, 429, 500, 503, 599,
    ]  # fmt: skip
