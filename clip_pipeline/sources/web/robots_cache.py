"""Whether a site lets robots have a file: its robots.txt, kept for a day, and the X-Robots-Tag of each answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic

from clip_pipeline.sources.web.http_headers import HttpHeaders
from clip_pipeline.sources.web.robots import Robots, forbidding_directive, parse_robots
from clip_pipeline.sources.web.urls import Site, WebUrl
from clip_pipeline.sources.web.web_client import Failure, Request, WebClient

SECONDS_KEPT = 24 * 3600.0
SECONDS_UNTIL_RETRY = 60.0
"""After a robots.txt that could not be had."""

MAX_BYTES = 512_000
"""Of a longer robots.txt the rest is not read; the RFC wants 500 KiB at least."""

MAX_CRAWL_DELAY_SECONDS = 10.0
MAX_SITES = 10_000

OF_ROBOTS = "robots.txt: "
"""How the reason of a photo begins whose site's robots.txt could not be had."""

REQUEST = Request(accept="text/plain, */*;q=0.5", max_bytes=MAX_BYTES, beginning=True)


@dataclass
class _Rules:
    """What is known of one site. known: set once robots.txt was read, or could not be."""

    known: threading.Event = field(default_factory=threading.Event)
    robots: Robots = field(default_factory=Robots)
    failure: Failure | None = None
    until: float = float("inf")


class RobotsCache:
    """The robots.txt of each site, asked for once; safe to use from many threads.

    seconds_kept: until it is read anew; seconds_until_retry: after one that could not be had. max_crawl_delay_seconds: of a
    longer Crawl-delay so much is kept to. max_sites: remembered at a time.
    """

    def __init__(
        self,
        client: WebClient,
        *,
        seconds_kept: float = SECONDS_KEPT,
        seconds_until_retry: float = SECONDS_UNTIL_RETRY,
        max_crawl_delay_seconds: float = MAX_CRAWL_DELAY_SECONDS,
        max_sites: int = MAX_SITES,
    ):
        self._client = client
        self._seconds_kept, self._seconds_until_retry = seconds_kept, seconds_until_retry
        self._max_crawl_delay_seconds, self._max_sites = max_crawl_delay_seconds, max_sites
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
            raise Failure(status, f"{OF_ROBOTS}{rules.failure}")
        if not rules.robots.allows(url.target):
            raise Failure("robots_txt", "robots.txt forbids it")
        return min(rules.robots.crawl_delay, self._max_crawl_delay_seconds)

    def _read(self, site: Site) -> _Rules:
        """Rules that are known, read by the first thread that asks; the others wait for it."""
        with self._lock:
            rules = self._rules.get(site)
            is_first = rules is None or rules.until < monotonic()
            if is_first:
                while len(self._rules) >= self._max_sites:
                    del self._rules[next(iter(self._rules))]
                rules = self._rules[site] = _Rules()
        assert rules is not None
        if not is_first:
            rules.known.wait()
            return rules
        try:
            rules.robots = parse_robots(self._client.get(WebUrl(*site, "/robots.txt"), REQUEST))
            rules.until = monotonic() + self._seconds_kept
        except Failure as failure:
            status = failure.http_status
            if status is None or status >= 500 or status == 429:
                rules.failure, rules.until = failure, monotonic() + self._seconds_until_retry
            else:
                rules.until = monotonic() + self._seconds_kept
        finally:
            rules.known.set()
        return rules


def check_robots_tag(head: HttpHeaders) -> None:
    """Raises Failure where the answer's X-Robots-Tag forbids the photo."""
    values = head.fields.get("x-robots-tag")
    if values and (directive := forbidding_directive(values)) is not None:
        raise Failure("robots_header", f"X-Robots-Tag: {directive}")
