"""The photo search of Unsplash (unsplash.com/documentation): its pages, its request budget, and what is kept of a photo."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from clip_pipeline.errors import BudgetSpentError, MissingKeyError, SourceError
from clip_pipeline.sources.http import Hosts, backoff_seconds, http_session, may_pass, retry_after_seconds

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

LIVE_API = "https://api.unsplash.com"
LAST_PAGE = 200
"""Pages beyond are empty, so a query gives at most 6,000 photos at 30 a page."""

TRIES = 5
FIRST_BUDGET_PAUSE_SECONDS, LONGEST_BUDGET_PAUSE_SECONDS = 1.0, 60.0

UNSPLASH_HOST, SANDBOX_HOST = "images.unsplash.com", "images.sandbox.test"
"""Photos lie here and nowhere else: plus.unsplash.com is not free, and mistyped hosts occur in real data."""

CHANGING_PARAMETERS = ("ixid", "ixlib")
"""Parameters of a photo's url that differ by application and by day."""

LICENCES = {
    UNSPLASH_HOST: "Unsplash License (https://unsplash.com/license)",
    SANDBOX_HOST: "generated picture, no rights reserved",
}
TERMS = {
    UNSPLASH_HOST: "Unsplash API terms (https://unsplash.com/api-terms): credit the photographer; "
    "automated mining and model training need permission",
    SANDBOX_HOST: None,
}


@dataclass(frozen=True)
class SearchPage:
    """One page of results. number: from 1. body: the JSON text as it came. photos: its results."""

    word: str
    number: int
    body: str
    photos: list[dict[str, Any]]


class UnsplashClient:
    """The search of the API at `base_url`, the live one or the sandbox's.

    key: the application's access key. per_page: 1 to 30. longest_wait: seconds to wait in all, for one page, while the
    request budget is used up. sleep, clock: for tests; clock gives seconds since 1970.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        hosts: Hosts,
        per_page: int = 30,
        longest_wait: float = 3700.0,
        contact: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ):
        self._base_url, self._per_page, self._longest_wait = base_url.rstrip("/"), per_page, longest_wait
        self._sleep, self._clock = sleep, clock
        self._generator = random.Random()
        self._session = http_session(contact, hosts)
        self._session.headers.update({"Authorization": f"Client-ID {key}", "Accept-Version": "v1"})

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def __enter__(self) -> UnsplashClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, word: str, max_photos: int) -> Iterator[SearchPage]:
        """Pages of photos for `word`, until `max_photos` that `photo_row` keeps were given or the search ends.

        Raises MissingKeyError for a key that is refused, BudgetSpentError when the wait is longer than allowed, SourceError
        for any other answer that trying again does not mend.
        """
        results: list[dict[str, Any]] = []
        for number in range(1, LAST_PAGE + 1):
            body, answer = self._get_page(word, number)
            photos = [photo for photo in answer["results"] if isinstance(photo, dict)]
            yield SearchPage(word, number, body, photos)
            results += photos
            pages = answer.get("total_pages")
            if not photos or (isinstance(pages, int) and number >= pages):
                return
            if len(results) >= max_photos and _count_kept(results) >= max_photos:
                return

    def photo_row(self, photo: dict[str, Any]) -> dict[str, Any] | None:
        """As `photo_row` of this module."""
        return photo_row(photo)

    def _get_page(self, word: str, number: int) -> tuple[str, dict[str, Any]]:
        """The JSON text of a page and its content, after waits and further tries."""
        query = {"query": word, "page": number, "per_page": self._per_page}
        waited, waits, problem = 0.0, 0, ""
        failures = 0
        while failures < TRIES:
            response = self._ask(query)
            if isinstance(response, str):
                problem = response
            elif _wants_a_pause(response):
                pause = self._budget_pause(response.headers, waits)
                if waited + pause > self._longest_wait:
                    raise BudgetSpentError(_budget_sentence(response.headers, word, pause, self._longest_wait))
                logger.info('HTTP %d at "%s" page %d: waiting %.0f s', response.status_code, word, number, pause)
                self._sleep(pause)
                waited, waits = waited + pause, waits + 1
                continue
            elif response.status_code == 200:
                page = _parsed(response.content)
                if page is not None:
                    return page
                problem = "an answer that is no search page"
            elif may_pass(response.status_code):
                problem = f"HTTP {response.status_code}"
            else:
                raise _refusal(response, word)
            failures += 1
            if failures < TRIES:
                self._sleep(backoff_seconds(failures - 1, self._generator))
        raise SourceError(
            f'The search at {self._base_url} failed {TRIES} times for "{word}", page {number} (last: {problem}). '
            "Check the network and run again: words that are finished are kept."
        )

    def _ask(self, query: Mapping[str, Any]) -> requests.Response | str:
        """The response, or the name of the trouble that kept it from coming."""
        import requests

        try:
            return self._session.get(f"{self._base_url}/search/photos", params=query, allow_redirects=False)
        except requests.RequestException as error:
            # The text of the error would repeat the whole url; its kind says enough.
            return type(error).__name__

    def _budget_pause(self, headers: Mapping[str, str], waits: int) -> float:
        """What Retry-After asks for, else 1, 2, 4 ... 60 s: the API does not tell when its hour began."""
        asked = retry_after_seconds(headers, self._clock())
        if asked is not None:
            return max(asked, FIRST_BUDGET_PAUSE_SECONDS)
        return min(FIRST_BUDGET_PAUSE_SECONDS * 2 ** min(waits, 20), LONGEST_BUDGET_PAUSE_SECONDS)


def photo_row(photo: dict[str, Any]) -> dict[str, Any] | None:
    """The PHOTO_FIELDS of one search result, or None for one that is left out.

    Left out: advertisements, photos that are not free, photos on any host but Unsplash's, results without id or url.
    Everything else may be missing. The url is without the parameters that change from day to day.
    """
    if any(photo.get(name) for name in ("sponsorship", "sponsored", "premium", "plus")):
        return None
    photo_id, raw = photo.get("id"), _section(photo, "urls").get("raw")
    if not (isinstance(photo_id, str) and photo_id and isinstance(raw, str)):
        return None
    try:
        parts = urlsplit(raw)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.netloc not in LICENCES:
        return None
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in CHANGING_PARAMETERS]
    texts = (_text(photo, name) for name in ("alt_description", "description"))
    return {
        "id": photo_id,
        "url": parts._replace(query=urlencode(kept), fragment="").geturl(),
        "captions": list(dict.fromkeys(filter(None, texts))),
        "words": [],
        "width": _pixels(photo.get("width")),
        "height": _pixels(photo.get("height")),
        "licence": LICENCES[parts.netloc],
        "attribution": _attribution(photo),
        "source": "unsplash" if parts.netloc == UNSPLASH_HOST else "sandbox",
        "terms": TERMS[parts.netloc],
        "split": None,
        "download_location": None,
    }


def _count_kept(results: list[dict[str, Any]]) -> int:
    """How many different photos `photo_row` keeps."""
    return len({row["id"] for row in map(photo_row, results) if row is not None})


def _attribution(photo: dict[str, Any]) -> str | None:
    """`Photo by NAME (@username), https://unsplash.com/photos/...`: what the licence asks to show."""
    user = _section(photo, "user")
    name, username, page = _text(user, "name"), _text(user, "username"), _text(_section(photo, "links"), "html")
    if not (name or username):
        return None
    told = f"Photo by {name or username}" + (f" (@{username})" if name and username else "")
    return f"{told}, {page}" if page else told


def _section(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found.strip() if isinstance(found, str) else ""


def _pixels(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None


def _parsed(content: bytes) -> tuple[str, dict[str, Any]] | None:
    try:
        body = content.decode("utf-8")
        answer = json.loads(body)
    except ValueError:
        return None
    if isinstance(answer, dict) and isinstance(answer.get("results"), list):
        return body, answer
    return None


def _wants_a_pause(response: requests.Response) -> bool:
    """429, or the 403 that means a spent budget: its body is "Rate Limit Exceeded" and not JSON."""
    if response.status_code != 403:
        return response.status_code == 429
    return response.headers.get("X-Ratelimit-Remaining") == "0" or b"rate limit exceeded" in response.content.lower()


def _budget_sentence(headers: Mapping[str, str], word: str, pause: float, longest: float) -> str:
    limit = headers.get("X-Ratelimit-Limit")
    budget = f"budget of {limit} requests an hour" if limit else "request budget"
    return (
        f'The {budget} is used up at the word "{word}", and another try in {pause:.0f} s would pass the longest wait '
        f"of {longest:g} s. Run again later, words that are finished are kept; or raise links.longest_wait."
    )


def _refusal(response: requests.Response, word: str) -> SourceError:
    """An error for a status that trying again does not mend; never with the key in it."""
    try:
        answer = json.loads(response.content)
        told = "; ".join(str(error) for error in answer["errors"])
    except (ValueError, KeyError, TypeError):
        told = response.content[:100].decode("utf-8", "replace").strip()
    if response.status_code == 401:
        return MissingKeyError(
            f"The photo search refuses the key (401: {told}). Check the access key in UNSPLASH_ACCESS_KEY; "
            "it is the one called Access Key at unsplash.com/oauth/applications."
        )
    return SourceError(
        f'The photo search answers {response.status_code} for "{word}" ({told}). Check the word and the application\'s rights.'
    )
