"""A small Unsplash on loopback: search, photos, downloads; counts what it is asked."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from clip_pipeline_tests.sources.loopback import Answer, Loopback, loopback

HOSTS = ("api.unsplash.com", "images.unsplash.com")


class UnsplashSite:
    """photos_of: word -> ids of its photos. Ids that begin with "broken" have no file. downloads_fail: answers them with 500."""

    def __init__(self, site: Loopback, photos_of: dict[str, list[str]], per_page: int):
        self.site, self.photos_of, self.per_page = site, photos_of, per_page
        self.searched: list[tuple[str, int]] = []
        self.downloads: Counter[str] = Counter()
        self.keys: dict[str, set[str | None]] = {host: set() for host in HOSTS}
        self.downloads_fail = False
        site.routes = _Everything(self._answer)

    @property
    def hosts(self) -> dict[str, tuple[str, int]]:
        return self.site.hosts(*HOSTS)

    def _answer(self, request, count: int) -> Answer:
        parts = urlsplit(request.path)
        self.keys[request.headers["Host"]].add(request.headers["Authorization"])
        if parts.path == "/search/photos":
            query = parse_qs(parts.query)
            return self._search(query["query"][0], int(query["page"][0]))
        if parts.path.endswith("/download"):
            if self.downloads_fail:
                return Answer(500)
            self.downloads[parts.path.split("/")[2]] += 1
            return Answer(body=b'{"url":"http://images.unsplash.com/photo"}', headers=self._headers())
        if parts.path.startswith("/photo-") and not parts.path.startswith("/photo-broken"):
            return Answer(body=image(parts.path), headers={"Content-Type": "image/jpeg"})
        return Answer(404, b"no such photo")

    def _search(self, word: str, page: int) -> Answer:
        self.searched.append((word, page))
        ids = self.photos_of.get(word, [])
        shown = ids[(page - 1) * self.per_page : page * self.per_page]
        answer = {
            "total": len(ids),
            "total_pages": -(-len(ids) // self.per_page),
            "results": [api_photo(photo) for photo in shown],
        }
        return Answer(body=json.dumps(answer).encode(), headers=self._headers())

    def _headers(self) -> dict[str, str]:
        used = len(self.searched) + self.downloads.total()
        return {"X-Ratelimit-Limit": "5000", "X-Ratelimit-Remaining": str(5000 - used)}


class _Everything(dict):
    """Routes that lead every path to one function."""

    def __init__(self, route):
        self._route = route

    def get(self, path, otherwise=None):
        return self._route


def api_photo(photo: str) -> dict:
    return {
        "id": photo,
        "width": 400,
        "height": 300,
        "alt_description": f"an image of {photo}",
        "urls": {"raw": f"http://images.unsplash.com/photo-{photo}?ixid=A"},
        "links": {
            "html": f"https://unsplash.com/photos/{photo}",
            "download_location": f"http://api.unsplash.com/photos/{photo}/download?ixid=A",
        },
        "user": {"username": "ann", "name": "Ann Lee"},
    }


def image(path: str) -> bytes:
    """A JPEG of a colour that follows from the path."""
    value = sum(path.encode()) * 7919
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), (value % 256, value // 256 % 256, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


@contextmanager
def unsplash_site(photos_of: dict[str, list[str]], per_page: int) -> Iterator[UnsplashSite]:
    """Serves until the block ends."""
    with loopback() as site:
        yield UnsplashSite(site, photos_of, per_page)
