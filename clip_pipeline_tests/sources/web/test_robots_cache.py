from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.fetch import Fetched, PhotoFetcher
from clip_pipeline.sources.web.robots_cache import RobotsCache
from clip_pipeline_tests.sources.loopback import Answer

SETTINGS = DownloadSettings(deadline=2.0, retries=0, connections=8)
PHOTO = b"\xff\xd8 the bytes of a photo"
FORBIDDEN = Fetched("robots_txt", None, "robots.txt forbids it")


@contextmanager
def fetcher_with(site, **limits) -> Iterator[PhotoFetcher]:
    """A fetcher of a site with two photos. limits: of `RobotsCache`."""
    site.always("/a.jpg", Answer(body=PHOTO))
    site.always("/private/a.jpg", Answer(body=PHOTO))
    hosts = site.hosts("photos.test", "other.test")
    with PhotoFetcher(SETTINGS, hosts, robots=partial(RobotsCache, **limits)) as open_fetcher:
        yield open_fetcher


@pytest.fixture
def fetcher(site):
    with fetcher_with(site) as open_fetcher:
        yield open_fetcher


def rules(text: str) -> Answer:
    return Answer(body=text.encode(), headers={"Content-Type": "text/plain"})


def test_a_photo_that_robots_txt_forbids_is_not_asked_for(site, fetcher):
    site.always("/robots.txt", rules("User-agent: *\nDisallow: /private/"))
    assert fetcher.fetch("http://photos.test/private/a.jpg") == FORBIDDEN
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
    assert [path for _, path in site.requests] == ["/robots.txt", "/a.jpg"]


def test_robots_txt_is_asked_for_once_a_site_by_many_threads(site, fetcher):
    def slowly(request, count):
        time.sleep(0.1)
        return rules("User-agent: *\nDisallow: /private/")

    site.routes["/robots.txt"] = slowly
    urls = ["http://photos.test/a.jpg", "http://photos.test/private/a.jpg", "http://other.test/a.jpg"] * 5
    with ThreadPoolExecutor(8) as pool:
        statuses = [fetched.status for fetched in pool.map(fetcher.fetch, urls)]
    assert statuses == ["success", "robots_txt", "success"] * 5
    assert site.count("/robots.txt") == 2  # one for each name


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204])
def test_without_a_robots_txt_everything_is_allowed(site, fetcher, status):
    site.always("/robots.txt", Answer(status, b"" if status == 204 else b"Disallow: /"))
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


@pytest.mark.parametrize("status", [500, 503, 429])
def test_where_robots_txt_cannot_be_had_nothing_is_asked_for_until_it_can(site, status):
    site.in_turn("/robots.txt", Answer(status), rules("User-agent: *\nAllow: /"))
    with fetcher_with(site, seconds_until_retry=0.1) as fetcher:
        for _ in range(2):
            failed = Fetched("connection_error", None, f"robots.txt: HTTP {status}")
            assert fetcher.fetch("http://photos.test/a.jpg") == failed
        assert len(site.requests) == 1
        time.sleep(0.15)
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


def test_a_robots_txt_that_never_ends_costs_a_deadline_and_no_memory(site):
    site.always("/robots.txt", Answer(body=b"User-agent: *\n" + b"#" * 3_000_000, length=None))
    site.always("/a.jpg", Answer(body=PHOTO))
    with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as fetcher:
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
    site.always("/robots.txt", Answer(body=b"#" * 1000, pause=0.05))
    with PhotoFetcher(replace(SETTINGS, deadline=0.3), site.hosts("photos.test")) as fetcher:
        started = time.monotonic()
        timed_out = "robots.txt: no complete answer in time (deadline 0.3 s)"
        assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("timeout", None, timed_out)
        assert time.monotonic() - started < 5.0


def test_rules_within_the_first_500_kilobytes_count(site, fetcher):
    site.always("/robots.txt", rules("#" * 500_000 + "\nUser-agent: *\nDisallow: /private/\n" + "#" * 500_000))
    assert fetcher.fetch("http://photos.test/private/a.jpg") == FORBIDDEN


def test_a_robots_txt_elsewhere_is_followed_and_its_rules_are_for_the_first_site(site, fetcher):
    site.routes["/robots.txt"] = lambda request, count: Answer(302, headers={"Location": "http://other.test/rules"})
    site.always("/rules", rules("User-agent: clip_pipeline\nDisallow: /private"))
    assert fetcher.fetch("http://photos.test/private/a.jpg") == FORBIDDEN


def test_a_robots_txt_behind_too_many_redirects_is_none(site, fetcher):
    for number in range(19):
        site.always(f"/{number}", Answer(302, headers={"Location": f"/{number + 1}"}))
    site.always("/robots.txt", Answer(302, headers={"Location": "/0"}))
    assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


def test_a_robots_txt_that_leads_to_loopback_is_not_followed(site, fetcher):
    site.always("/robots.txt", Answer(302, headers={"Location": f"http://127.0.0.1:{site.port}/rules"}))
    site.always("/rules", rules(""))
    assert fetcher.fetch("http://photos.test/a.jpg").status == "forbidden_address"
    assert site.count("/rules") == 0


def test_a_redirect_is_held_to_the_rules_of_where_it_leads(site, fetcher):
    site.routes["/robots.txt"] = lambda request, count: rules(
        "User-agent: *\nDisallow: /" if request.headers["Host"] == "other.test" else ""
    )
    site.always("/b.jpg", Answer(302, headers={"Location": "http://other.test/a.jpg"}))
    assert fetcher.fetch("http://photos.test/b.jpg") == FORBIDDEN


def test_a_crawl_delay_is_kept(site, fetcher):
    site.always("/robots.txt", rules("User-agent: *\nCrawl-delay: 0.15"))
    started = time.monotonic()
    for _ in range(3):
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
    assert 0.3 < time.monotonic() - started < 5.0


def test_a_long_crawl_delay_is_kept_up_to_a_limit(site):
    site.always("/robots.txt", rules("User-agent: *\nCrawl-delay: 86400"))
    with fetcher_with(site, max_crawl_delay_seconds=0.1) as fetcher:
        started = time.monotonic()
        for _ in range(3):
            assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
        assert 0.2 < time.monotonic() - started < 5.0


def test_rules_are_read_again_after_a_day(site):
    site.in_turn("/robots.txt", rules("User-agent: *\nDisallow: /"), rules(""))
    with fetcher_with(site, seconds_kept=0.1) as fetcher:
        assert fetcher.fetch("http://photos.test/a.jpg") == FORBIDDEN
        time.sleep(0.15)
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO


def test_the_number_of_remembered_sites_is_bounded(site):
    names = [f"site{number}.test" for number in range(6)]
    site.always("/a.jpg", Answer(body=PHOTO))
    with PhotoFetcher(SETTINGS, site.hosts(*names), robots=partial(RobotsCache, max_sites=3)) as fetcher:
        for name in [*names, names[0]]:
            assert fetcher.fetch(f"http://{name}/a.jpg").content == PHOTO
    assert site.count("/robots.txt") == 7


def test_the_setting_switches_robots_txt_off(site):
    site.always("/robots.txt", rules("User-agent: *\nDisallow: /"))
    site.always("/a.jpg", Answer(body=PHOTO))
    with PhotoFetcher(replace(SETTINGS, robots_txt=False), site.hosts("photos.test")) as fetcher:
        assert fetcher.fetch("http://photos.test/a.jpg").content == PHOTO
    assert site.count("/robots.txt") == 0


def test_an_answer_that_forbids_the_use_is_not_read(site):
    site.always("/a.jpg", Answer(body=b"x" * 1000, pause=0.05, headers={"X-Robots-Tag": "noai, noimageai"}))
    started = time.monotonic()
    with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as fetcher:
        assert fetcher.fetch("http://photos.test/a.jpg") == Fetched("robots_header", None, "X-Robots-Tag: noai")
    assert time.monotonic() - started < 5.0


def test_tags_for_other_robots_and_the_setting_let_a_photo_pass(site):
    site.always("/other.jpg", Answer(body=PHOTO, headers={"X-Robots-Tag": "otherbot: noindex"}))
    site.always("/all.jpg", Answer(body=PHOTO, headers={"X-Robots-Tag": "noindex"}))
    with PhotoFetcher(SETTINGS, site.hosts("photos.test")) as fetcher:
        assert fetcher.fetch("http://photos.test/other.jpg").content == PHOTO
    with PhotoFetcher(replace(SETTINGS, robots_header=False), site.hosts("photos.test")) as fetcher:
        assert fetcher.fetch("http://photos.test/all.jpg").content == PHOTO
