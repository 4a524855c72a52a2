"""Whether a site lets robots have a file: its robots.txt, kept for a day, and the X-Robots-Tag of each answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic

from clip_pipeline.sources.web.http_headers import Head
from clip_pipeline.sources.web.robots import Robots, forbidding_directive, parse_robots
from clip_pipeline.sources.web.urls import Site, WebUrl
from clip_pipeline.sources.web.web_client import Failure, Request, WebClient

SECONDS_KEPT = 24 * 3600.0
SECONDS_UNTIL_ASKED_AGAIN = 60.0
"""After a robots.txt that could not be had."""

MAX_BYTES = 512_000
"""Of a longer robots.txt the rest is not read; the RFC wants 500 KiB at least."""

MAX_CRAWL_DELAY_SECONDS = 10.0
MAX_SITES_REMEMBERED = 10_000

WISH = Request(accept="text/plain, */*;q=0.5", most_bytes=MAX_BYTES, beginning=True)


@dataclass
class _Rules:
    """What is known of one site. known: set once robots.txt was read, or could not be."""

    known: threading.Event = field(default_factory=threading.Event)
    robots: Robots = field(default_factory=Robots)
    failure: Failure | None = None
    until: float = float("inf")


class RobotsFiles:
    """The robots.txt of each site, asked for once; safe to use from many threads."""

    def __init__(self, visits: WebClient):
        self._visits = visits
        self._rules: dict[Site, _Rules] = {}
        self._lock = threading.Lock()

    def permit(self, url: WebUrl) -> float:
        """Seconds that the site wants between two requests. Raises Failure where robots.txt forbids the url.

        A site without one (any 4xx) allows everything. Where it cannot be had (5xx, no connection), everything is
        forbidden until it can; that is a failure which may pass, not the site's word.
        """
        rules = self._rules.get(url.site)
        if rules is None or rules.until < monotonic() or not rules.known.is_set():
            rules = self._read(url.site)
        if rules.failure is not None:
            status = "connection_error" if rules.failure.status == "http_error" else rules.failure.status
            raise Failure(status, f"robots.txt: {rules.failure}")
        if not rules.robots.allows(url.target):
            raise Failure("robots_txt", "robots.txt forbids it")
        return min(rules.robots.crawl_delay, MAX_CRAWL_DELAY_SECONDS)

    def _read(self, site: Site) -> _Rules:
        """Rules that are known, read by the first thread that asks; the others wait for it."""
        with self._lock:
            rules = self._rules.get(site)
            is_first = rules is None or rules.until < monotonic()
            if is_first:
                while len(self._rules) >= MAX_SITES_REMEMBERED:
                    del self._rules[next(iter(self._rules))]
                rules = self._rules[site] = _Rules()
        assert rules is not None
        if not is_first:
            rules.known.wait()
            return rules
        try:
            rules.robots = parse_robots(self._visits.get(WebUrl(*site, "/robots.txt"), WISH))
            rules.until = monotonic() + SECONDS_KEPT
        except Failure as failure:
            status = failure.http_status
            if status is None or status >= 500 or status == 429:
                rules.failure, rules.until = failure, monotonic() + SECONDS_UNTIL_ASKED_AGAIN
            else:
                rules.until = monotonic() + SECONDS_KEPT
        finally:
            rules.known.set()
        return rules


def check_robots_tag(head: Head) -> None:
    """Raises Failure where the answer's X-Robots-Tag forbids the photo."""
    values = head.fields.get("x-robots-tag")
    if values and (directive := forbidding_directive(values)) is not None:
        raise Failure("robots_header", f"X-Robots-Tag: {directive}")
