"""The photo search, with the rules of the Unsplash API: key, budget, pages, headers, errors."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable
from urllib.parse import quote, urlencode

from clip_pipeline.sandbox.messages import Addresses, Request, Response, json_response
from clip_pipeline.sandbox.photo_json import IXID, photo_json, photo_urls
from clip_pipeline.sandbox.search_index import SearchIndex
from clip_pipeline.sandbox.world import Photo, World

SANDBOX_KEY = "sandbox-key"

REQUESTS_PER_HOUR = 5000
MAX_PER_PAGE = 30
LAST_PAGE = 200
"""Pages beyond are empty: a query gives at most 6,000 photos."""

BUSY_SHARE = 400
"""One search page in this many is answered with 429 the first time it is asked for."""

HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Link,X-Total,X-Per-Page,X-RateLimit-Limit,X-RateLimit-Remaining",
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "X-Unsplash-Version": "v1",
    "Content-Language": "en",
    "Vary": "Accept-Encoding,Authorization,Accept-Language,Accept",
}
ORIENTATIONS: dict[str, Callable[[Photo], bool]] = {
    "landscape": lambda photo: photo.width > photo.height,
    "portrait": lambda photo: photo.width < photo.height,
    "squarish": lambda photo: photo.width == photo.height,
}


class UnsplashApi:
    """Answers requests to the API. rate_limit: requests in `rate_window` seconds, then 403 until the window ends."""

    def __init__(self, world: World, rate_limit: int = REQUESTS_PER_HOUR, rate_window: float = 3600.0):
        self.world = world
        self.rate_limit, self.rate_window = rate_limit, rate_window
        self._used, self._window_start = 0, time.monotonic()
        self._index = SearchIndex(world)
        self._by_id = {photo.id: place for place, photo in enumerate(world.photos)}
        self._json: dict[tuple[Addresses, int], bytes] = {}
        self._busy_once: set[tuple[str, int]] = set()

    def answer(self, request: Request) -> Response:
        """The response to a request for /search/photos, /photos, /photos/random, /photos/ID[/download], /topics/..."""
        if request.headers.get("authorization", "") != f"Client-ID {SANDBOX_KEY}" and (
            request.query.get("client_id") != SANDBOX_KEY
        ):
            return self._with_headers(_error(401, "OAuth error: The access token is invalid"))
        if not self._take_request():
            return self._with_headers(Response(403, b"Rate Limit Exceeded", "text/html; charset=utf-8"))
        if request.method not in ("GET", "HEAD"):
            return self._with_headers(_error(404, "Not found"))
        return self._with_headers(self._route(request))

    def set_rate_limit(self, limit: int, window: float = 3600.0) -> None:
        """Starts a new window with another budget."""
        self.rate_limit, self.rate_window = limit, window
        self._used, self._window_start = 0, time.monotonic()

    def _take_request(self) -> bool:
        if time.monotonic() - self._window_start >= self.rate_window:
            self._used, self._window_start = 0, time.monotonic()
        if self._used >= self.rate_limit:
            return False
        self._used += 1
        return True

    def _with_headers(self, response: Response) -> Response:
        response.headers = {
            **HEADERS,
            "X-Ratelimit-Limit": str(self.rate_limit),
            "X-Ratelimit-Remaining": str(self.rate_limit - self._used),
            **response.headers,
        }
        return response

    def _route(self, request: Request) -> Response:
        parts = [part for part in request.path.split("/") if part]
        everything = list(range(len(self.world.photos)))
        match parts:
            case ["search", "photos"]:
                return self._search(request)
            case ["photos"]:
                return self._list(request, everything)
            case ["topics", slug, "photos"]:
                return self._list(request, self._index.find(slug))
            case ["photos", "random"]:
                return self._random(request)
            case ["photos", name]:
                place = self._by_id.get(name[-11:])
                if place is not None:
                    return Response(200, self._one(request, place), "application/json")
            case ["photos", name, "download"]:
                place = self._by_id.get(name[-11:])
                if place is not None:
                    url = photo_urls(self.world.photos[place], request.addresses)["full"]
                    return json_response({"url": url.replace(IXID, _ixid("download"))})
        return _error(404, "Couldn't find Photo" if parts[:1] == ["photos"] else "Not found")

    def _search(self, request: Request) -> Response:
        query = request.query.get("query", "").strip()
        if not query:
            return _error(400, "query is missing")
        page, per_page = _paging(request)
        key = (query, page)
        if zlib.crc32(f"{self.world.seed} {query} {page}".encode()) % BUSY_SHARE == 0 and key not in self._busy_once:
            self._busy_once.add(key)
            return Response(429, b"Too Many Requests", "text/html; charset=utf-8", {"Retry-After": "1"})
        places = self._oriented(request, self._index.find(query))
        total_pages = -(-len(places) // per_page)
        shown = places[(page - 1) * per_page : page * per_page] if page <= LAST_PAGE else []
        head = f'{{"total":{len(places)},"total_pages":{total_pages},"results":['.encode()
        body = head + self._many(request, shown, f"search {query} {page}") + b"]}"
        return Response(200, body, "application/json", self._paging_headers(request, len(places), page, per_page))

    def _list(self, request: Request, places: list[int]) -> Response:
        page, per_page = _paging(request)
        places = self._oriented(request, places)
        body = b"[" + self._many(request, places[(page - 1) * per_page : page * per_page], "list") + b"]"
        return Response(200, body, "application/json", self._paging_headers(request, len(places), page, per_page))

    def _random(self, request: Request) -> Response:
        """The same photos at every request: the sandbox has no chance in it."""
        query = request.query.get("query", "")
        places = self._oriented(request, self._index.find(query) if query else list(range(len(self.world.photos))))
        if not places:
            return _error(404, "No photos found.")
        if "count" not in request.query:
            return Response(200, self._one(request, places[0]), "application/json")
        count = min(_number(request, "count", 1), MAX_PER_PAGE)
        return Response(200, b"[" + self._many(request, places[:count], "random") + b"]", "application/json")

    def _oriented(self, request: Request, places: list[int]) -> list[int]:
        fits = ORIENTATIONS.get(request.query.get("orientation", ""))
        return places if fits is None else [place for place in places if fits(self.world.photos[place])]

    def _one(self, request: Request, place: int) -> bytes:
        return self._many(request, [place], "photo")

    def _many(self, request: Request, places: list[int], use: str) -> bytes:
        texts = []
        for place in places:
            key = (request.addresses, place)
            if key not in self._json:
                self._json[key] = photo_json(self.world.photos[place], request.addresses)
            texts.append(self._json[key])
        return b",".join(texts).replace(IXID.encode(), _ixid(use).encode())

    def _paging_headers(self, request: Request, total: int, page: int, per_page: int) -> dict[str, str]:
        last = max(-(-total // per_page), 1)
        links = []
        goals = [("first", 1, page > 1), ("prev", page - 1, page > 1), ("last", last, page < last)]
        for relation, number, present in [*goals, ("next", page + 1, page < last)]:
            if present:
                query = urlencode({**request.query, "page": number, "per_page": per_page})
                links.append(f'<{request.addresses.api}{quote(request.path)}?{query}>; rel="{relation}"')
        headers = {"X-Total": str(total), "X-Per-Page": str(per_page)}
        return {"Link": ", ".join(links), **headers} if links else headers


def _paging(request: Request) -> tuple[int, int]:
    return _number(request, "page", 1), min(_number(request, "per_page", 10), MAX_PER_PAGE)


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, "")
    return max(int(text), 1) if text.isdecimal() else otherwise


def _ixid(use: str) -> str:
    return base64.b64encode(f"3|2833|0|1|{use}".encode()).decode().rstrip("=").replace("+", "-").replace("/", "_")


def _error(status: int, message: str) -> Response:
    return json_response({"errors": [message]}, status)
