"""Which failures may pass, how many of them are an outage, and when an incomplete shard is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clip_pipeline.errors import OutageError
from clip_pipeline.errors import may_pass as error_may_pass
from clip_pipeline.images.download.outage import (
    INCOMPLETE,
    MAX_RETRY_MINUTES,
    Lack,
    OutageWatch,
    add_tries,
    example_of,
    lack_of,
    may_pass,
    wants_another_try,
)
from clip_pipeline.sources.web.addresses import UnknownName
from clip_pipeline.sources.web.http_response import CUT
from clip_pipeline.sources.web.web_client import CUT_ONCE

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)

PASSING = [
    ("timeout", "no complete answer in time (deadline 20 s)"),
    ("connection_error", "the connection was refused or broke"),
    ("connection_error", "the name could not be looked up for now"),
    ("connection_error", "no TLS connection came about"),
    ("connection_error", "robots.txt: HTTP 503"),
    ("connection_error", CUT_ONCE),
    ("http_error", "HTTP 500"),
    ("http_error", "HTTP 503"),
    ("http_error", "HTTP 429"),
    ("http_error", "the server asks for a longer pause than the deadline of 20 s"),
    ("missing_file", "file:a.jpg cannot be read: Stale file handle"),
]
FINAL = [
    ("success", None),
    ("missing_file", "There is no file a.jpg in /photos"),
    ("not_found", "HTTP 404"),
    ("http_error", "HTTP 403"),
    ("http_error", "the redirects lead in a circle"),
    ("connection_error", CUT),
    ("connection_error", str(UnknownName("gone.test"))),
    ("connection_error", f"robots.txt: {UnknownName('gone.test')}"),
    ("connection_error", "the url makes no sense"),
    ("not_an_image", "the first bytes are b'<html>'"),
    ("too_small", "8 x 8 pixels"),
    ("robots_txt", "robots.txt forbids it"),
    ("decoder_crashed", "the decoder's process died, or took too long, over it twice"),
]


@pytest.mark.parametrize(("status", "message"), PASSING)
def test_troubles_of_hosts_ways_and_disks_may_pass(status, message):
    assert may_pass(status, message)
    assert wants_another_try({"status": status, "error_message": message})
    assert wants_another_try({"status": "success", "error_message": f"{status}: {message}"})


@pytest.mark.parametrize(("status", "message"), FINAL)
def test_answers_are_final(status, message):
    assert not may_pass(status, message)
    assert not wants_another_try({"status": status, "error_message": message})


def failure(number: int, status: str = "timeout", message: str = "no complete answer in time") -> dict[str, str]:
    return {"id": f"p{number}", "url": f"http://photos.test/{number}.jpg", "status": status, "error_message": message}


def test_as_many_failures_as_allowed_are_no_outage_and_one_more_is():
    watch = OutageWatch("00007", 30, 20)
    for number in range(6):
        watch.add(failure(number))
    watch.add(failure(9, "not_found", "HTTP 404"))
    watch.check()
    watch.add(failure(7))
    with pytest.raises(OutageError) as raised:
        watch.check()
    sentence = str(raised.value)
    assert "7 of 30 photos of shard 00007" in sentence
    assert "photos.test: no complete answer in time" in sentence
    assert "download.max_outage_percent" in sentence
    assert error_may_pass(raised.value), "a run tries it again after a pause"


def test_a_few_failures_of_a_small_shard_are_no_outage_unless_no_photo_came():
    for photos, failures, stops in (
        (3, 2, False),
        (3, 3, True),
        (1, 1, True),
        (12, 4, False),
        (12, 5, True),
        (30, 5, False),
    ):
        watch = OutageWatch("00000", photos, 20)
        for number in range(failures):
            watch.add(failure(number))
        assert watch.too_many == stops, (photos, failures)


def test_with_a_hundred_percent_nothing_is_an_outage_and_with_none_one_failure_is():
    everything, nothing = OutageWatch("00000", 3, 100), OutageWatch("00000", 1000, 0)
    for number in range(3):
        everything.add(failure(number))
    assert not everything.too_many
    nothing.check()
    nothing.add(failure(1))
    assert nothing.too_many


def lack(tries: int) -> Lack:
    return Lack(12, "photos.test: HTTP 503", tries, NOON)


def test_the_next_run_tries_again_then_patience_doubles_up_to_a_week():
    waits = [(lack(tries).due_at(2.0) - NOON) / timedelta(minutes=1) for tries in range(1, 8)]
    assert waits == [0, 2, 4, 8, 16, 32, 64]
    assert lack(40).due_at(2.0) - NOON == timedelta(minutes=MAX_RETRY_MINUTES)
    assert lack(4000).due_at(2.0) - NOON == timedelta(minutes=MAX_RETRY_MINUTES)
    assert lack(9).due_at(0.0) == NOON


def test_a_clock_that_was_set_back_does_not_make_a_shard_wait():
    assert not lack(9).is_due(2.0, NOON + timedelta(minutes=1))
    assert lack(9).is_due(2.0, NOON - timedelta(days=400))


def test_the_sentence_says_what_is_lacking_and_when_it_is_tried_again():
    assert lack(1).sentence(2.0, NOON) == "lacks 12 photos for now (photos.test: HTTP 503); the next run tries again"
    waiting = lack(3).sentence(2.0, NOON + timedelta(minutes=1))
    due = (NOON + timedelta(minutes=4)).astimezone()
    assert f"tried 3 times, again from {due:%H:%M} on, or at once with download.retry_minutes=0" in waiting


def test_what_a_stranger_wrote_is_shown_without_its_signs_for_the_terminal():
    url, reason = "http://a\x1b[2J\u202eb.test/x.jpg", "x\x07" * 500
    shown = example_of({"url": url, "error_message": reason})
    assert shown.isprintable() and len(shown) <= 200


@pytest.mark.parametrize(
    "told",
    [
        {"photos": 3},
        "three",
        ["x"],
        {"photos": "many", "example": "", "tries": 1, "tried": "2026-12-01T12:00:00+00:00"},
        {"photos": 3, "example": "", "tries": 1, "tried": "yesterday"},
        {"photos": 3, "example": "", "tries": 1, "tried": None},
    ],
)
def test_an_entry_that_cannot_be_read_is_tried_again(told):
    found = lack_of({INCOMPLETE: told})
    assert found.is_due(2.0, NOON + timedelta(days=36500))
    assert "cannot be read" in found.sentence(2.0, NOON)


def test_tries_count_those_in_a_row_that_brought_nothing():
    stats: dict = {INCOMPLETE: {"photos": 5, "example": "photos.test: HTTP 503"}}
    add_tries(stats, None)
    first = lack_of(stats)
    assert (first.photos, first.tries) == (5, 1)
    for photos, tries in ((5, 2), (6, 2), (4, 1)):
        again: dict = {INCOMPLETE: {"photos": photos, "example": "photos.test: HTTP 503"}}
        add_tries(again, first)
        assert lack_of(again).tries == tries
    carried: dict = {INCOMPLETE: {"photos": 4, "example": "photos.test: HTTP 503"}}
    add_tries(carried, lack(3), asked=False)
    assert (lack_of(carried).tries, lack_of(carried).tried) == (3, NOON)
    complete: dict = {"status": {}}
    add_tries(complete, first)
    assert complete == {"status": {}}
    assert lack_of(complete) is None
