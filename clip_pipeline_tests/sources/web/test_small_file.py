from __future__ import annotations

import gzip

import pytest

from clip_pipeline.errors import SourceError, UnavailableError, may_pass
from clip_pipeline.sources.web.api_session import http_session
from clip_pipeline.sources.web.retries import MAX_TRIES
from clip_pipeline.sources.web.small_file import read_small_file
from clip_pipeline_tests.sources.loopback import Answer

URL = "http://list.test/list"
WHOLE = b"one\ntwo\n" * 100


@pytest.fixture
def pauses():
    """The pauses that were made, none of them waited for."""
    return []


@pytest.fixture
def read(site, pauses):
    def reading(max_bytes: int = 1_000_000) -> bytes | None:
        with http_session("", site.hosts("list.test")) as session:
            return read_small_file(session, URL, max_bytes, pauses.append)

    return reading


def test_what_comes_cut_or_busy_is_asked_for_again(site, read, pauses):
    site.in_turn("/list", Answer(body=WHOLE[:99], length=len(WHOLE)), Answer(503, headers={"Retry-After": "9"}), Answer(429), Answer(body=WHOLE))  # fmt: skip
    assert read() == WHOLE
    assert len(pauses) == 3 and pauses[1] == 9.0


def test_what_is_not_there_is_none_and_what_is_refused_is_told_at_once(site, read, pauses):
    assert read() is None
    site.always("/list", Answer(403))
    with pytest.raises(SourceError, match=r"list\.test/list cannot be read \(HTTP 403\)") as caught:
        read()
    assert pauses == [] and site.count("/list") == 2
    assert not may_pass(caught.value), "a run does not try it again either"


def test_what_never_comes_whole_is_told_after_all_tries(site, read, pauses):
    site.always("/list", Answer(body=b"x", length=2))
    with pytest.raises(UnavailableError, match="cannot be read"):
        read()
    assert site.count("/list") == MAX_TRIES and len(pauses) == MAX_TRIES - 1


def test_a_site_that_is_gone_is_told(pauses):
    with (
        http_session("", {"list.test": ("127.0.0.1", 9)}) as session,
        pytest.raises(UnavailableError, match=r"cannot be read \(ConnectionError\)"),
    ):
        read_small_file(session, URL, sleep=pauses.append)
    assert len(pauses) == MAX_TRIES - 1


def test_more_than_asked_for_is_refused(site, read):
    site.always("/list", Answer(body=WHOLE))
    assert read(len(WHOLE)) == WHOLE
    with pytest.raises(SourceError, match="sends more than 799 bytes"):
        read(len(WHOLE) - 1)


def test_an_answer_that_is_packed_all_the_same_is_unpacked(site, read):
    site.always("/list", Answer(body=gzip.compress(WHOLE), headers={"Content-Encoding": "gzip"}))
    assert read() == WHOLE
    assert site.headers[0]["Accept-Encoding"] == "identity"
