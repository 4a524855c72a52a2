"""One photo by its url, from a stranger's server or the user's own folder, whatever comes back.

A photo that cannot be had is no exception: it is a `Fetched` with a status and a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.photos.local_photos import LocalPhotoError, LocalPhotos
from clip_pipeline.sources.web.api_session import Hosts
from clip_pipeline.sources.web.robots_cache import RobotsCache, check_robots_tag
from clip_pipeline.sources.web.urls import UrlError, parse_url
from clip_pipeline.sources.web.web_client import Failure, Request, WebClient


@dataclass(frozen=True)
class Fetched:
    """What came of one url: a status of records.PHOTO_STATUSES; `content` is there when it is success, else a reason."""

    status: str
    content: bytes | None = None
    error_message: str | None = None


class PhotoFetcher:
    """Fetches photos over kept-alive connections; safe to use from many threads, closed by `with`.

    hosts: names that stand for an address of ours, the only way to loopback. root: the folder (or the one tar) that
    `file:NAME` and `tar:TAR#KEY` urls may read; without it they are refused. robots: makes the memory of robots.txt.
    """

    def __init__(
        self,
        settings: DownloadSettings,
        hosts: Hosts,
        root: Path | None = None,
        *,
        robots: Callable[[WebClient], RobotsCache] = RobotsCache,
    ):
        self._local = LocalPhotos(Path(root), settings.max_bytes) if root is not None else None
        self._client = WebClient(settings, hosts)
        request = Request("image/*, */*;q=0.5", settings.max_bytes, width=settings.request_width)
        if settings.robots_txt:
            request = replace(request, permit=robots(self._client).permit)
        if settings.robots_header:
            request = replace(request, check=check_robots_tag)
        self._request = request

    def __enter__(self) -> PhotoFetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; pauses end at once."""
        self._client.close()

    def fetch(self, url: str) -> Fetched:
        """The bytes behind a url, or why there are none. Does not look into the bytes."""
        try:
            if self._local is not None and url.startswith(("file:", "tar:")):
                return Fetched("success", self._local.read(url))
            return Fetched("success", self._client.get(parse_url(url), self._request))
        except (LocalPhotoError, UrlError, Failure) as failure:
            return Fetched(failure.status, None, str(failure))
