from __future__ import annotations

import pytest

from clip_pipeline.errors import SourceError
from clip_pipeline.sources.web.api_session import http_session, user_agent
from clip_pipeline_tests.sources.loopback import Answer


def test_a_mapped_name_is_reached_and_keeps_its_own_host_header(site):
    site.always("/page", Answer(body=b"hello"))
    with http_session("me@example.org", site.hosts("photos.test")) as session:
        answer = session.get("http://photos.test/page?a=1")
    assert (answer.content, answer.url) == (b"hello", "http://photos.test/page?a=1")
    assert site.requests == [("photos.test", "/page?a=1")]
    assert site.headers[0]["User-Agent"] == "clip_pipeline/0.2.0 (+me@example.org)"


def test_a_redirect_to_another_mapped_name_is_followed(site):
    site.always("/old", Answer(302, headers={"Location": "http://second.test/new"}))
    site.always("/new", Answer(body=b"here"))
    with http_session("", site.hosts("first.test", "second.test")) as session:
        assert session.get("http://first.test/old").content == b"here"
    assert [host for host, _ in site.requests] == ["first.test", "second.test"]


def test_a_stand_in_is_never_asked_through_a_proxy_of_the_environment(site, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    site.always("/page", Answer(body=b"hello"))
    with http_session("", site.hosts("photos.test")) as session:
        assert session.get("http://photos.test/page").status_code == 200


def test_ten_redirects_are_followed_and_eleven_are_not(site):
    for number in range(11):
        site.always(f"/{number}", Answer(302, headers={"Location": f"/{number + 1}"}))
    site.always("/11", Answer(body=b"here"))
    with http_session("", site.hosts("photos.test")) as session:
        assert session.get("http://photos.test/1").content == b"here"
        with pytest.raises(SourceError, match="more than 10 of them"):
            session.get("http://photos.test/0")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://photos.test/", "http://[bad", "http://"])
def test_a_redirect_to_what_is_no_web_address_is_an_error_of_ours(site, target):
    site.always("/old", Answer(302, headers={"Location": target}))
    with (
        http_session("", site.hosts("photos.test")) as session,
        pytest.raises(SourceError, match=r"photos\.test/old leads to"),
    ):
        session.get("http://photos.test/old")


def test_a_key_is_not_sent_on_to_another_host(site):
    site.always("/old", Answer(302, headers={"Location": "http://second.test/new"}))
    site.always("/new", Answer(body=b"here"))
    with http_session("", site.hosts("first.test", "second.test")) as session:
        session.get("http://first.test/old", headers={"Authorization": "Client-ID secret"})
    assert ["Authorization" in headers for headers in site.headers] == [True, False]


def test_every_request_has_a_time_limit_without_being_asked_for(site):
    import requests

    site.always("/slow", Answer(body=b"x", pause=1.0))
    with http_session("", site.hosts("slow.test"), (1.0, 0.1)) as session, pytest.raises(requests.RequestException):
        session.get("http://slow.test/slow")


def test_connections_are_kept_alive(site):
    site.always("/page", Answer(body=b"hello"))
    with http_session("", site.hosts("photos.test")) as session:
        for _ in range(5):
            session.get("http://photos.test/page")
    assert site.connections == 1


def test_a_contact_cannot_add_a_header():
    assert user_agent("me@example.org\r\nX-Evil: 1") == "clip_pipeline/0.2.0 (+me@example.org X-Evil: 1)"
    assert user_agent("") == "clip_pipeline/0.2.0"
