"""The Unsplash API (unsplash.com/documentation): pages of its search, its request budget, and downloads reported to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from clip_pipeline.errors import BudgetSpentError, MissingKeyError, SourceError, UnavailableError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.sources.secrets import without_secret
from clip_pipeline.sources.unsplash.api_photo import photo_row
from clip_pipeline.sources.web.answer import Answer, read_answer
from clip_pipeline.sources.web.api_session import Hosts, http_session
from clip_pipeline.sources.web.request_ledger import Budget
from clip_pipeline.sources.web.retries import MAX_TRIES, Retries, may_pass, retry_after_seconds

logger = logging.getLogger(__name__)

LIVE_API = "https://api.unsplash.com"

MIN_PAUSE_SECONDS, MAX_SLEEP_SECONDS = 1.0, 60.0
SECONDS_BETWEEN_WAIT_LINES = 600.0

SPAM_STATUS = 410
"""The answer to a query that the service takes for spam: a word without photos."""

MAX_ANSWER_BYTES, ANSWER_SECONDS = 8_000_000, 120.0
"""Of an answer. A page of thirty photos has some 150 kB; nothing of the service comes near to this, or drips for so long."""

MAX_REFUSAL_LETTERS = 300

GONE_STATUSES = (404, 410)


class UnsplashClient:
    """The API at `base_url`, the live one or the sandbox's.

    key: the application's access key; it is sent to `base_url` and nowhere else. budget: the requests of the key.
    per_page: 1 to 30. max_wait: seconds to wait in all, for one answer, while the budget is used up. sleep, clock:
    for tests; clock gives seconds since 1970.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        hosts: Hosts,
        budget: Budget,
        per_page: int = 30,
        max_wait: float = 3700.0,
        contact: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ):
        self._base_url, self._per_page, self._longest_wait = base_url.rstrip("/"), per_page, max_wait
        self._key = key
        self._budget, self._sleep, self._clock = budget, sleep, clock
        self._session = http_session(contact, hosts)
        self._session.headers.update({"Authorization": f"Client-ID {key}", "Accept-Version": "v1"})

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def __enter__(self) -> UnsplashClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_page(self, word: str, number: int) -> str:
        """The JSON text of page `number`, from 1, of the search for `word`, as it came.

        Raises MissingKeyError for a key that is refused, BudgetSpentError when the wait is longer than allowed, SourceError
        for any other answer that trying again does not mend.
        """
        query = {"query": word, "page": number, "per_page": self._per_page}
        about = f'for "{word}", page {number}'
        content = self._get(f"{self._base_url}/search/photos", query, about, _is_search_page, (SPAM_STATUS,))
        return without_secret(content.decode("utf-8", "replace"), self._key)

    def photo_row(self, photo: dict[str, Any]) -> dict[str, Any] | None:
        """The PHOTO_FIELDS of a search result, None for one that is left out."""
        return photo_row(photo)

    def report_download(self, location: str) -> None:
        """Reports to the service that a photo was taken, at the `download_location` it gave. A photo that is gone is no error.

        Raises as `get_page`, and SourceError for a location on another host, which the key must not reach.
        """
        if urlsplit(location)[:2] != urlsplit(self._base_url)[:2]:
            raise SourceError(
                f"The download location {location[:200]} is not at {self._base_url}, so the key is not sent there."
            )
        self._get(location, {}, "for a download", lambda content: True, GONE_STATUSES)

    # ---- one answer

    def _get(
        self,
        url: str,
        query: Mapping[str, Any],
        about: str,
        is_answer: Callable[[bytes], bool],
        further_statuses: tuple[int, ...],
    ) -> bytes:
        """The body of an answer with status 200 or one of `further_statuses`, after waits and further tries."""
        waited, retries = 0.0, Retries(f"The search at {self._base_url}", MAX_TRIES, self._sleep)
        while retries.left:
            number, seconds = self._reserve(about, waited)
            waited += seconds
            response = self._ask(url, query, number)
            if isinstance(response, str):
                problem = response
            elif _is_budget_spent(response):
                asked = retry_after_seconds(response.headers, self._clock())
                pause = self._budget.refused(number, None if asked is None else max(asked, MIN_PAUSE_SECONDS))
                logger.info("HTTP %d %s: the budget opens again in %.0f s", response.status_code, about, pause)
                continue
            elif response.status_code in further_statuses:
                return response.content
            elif response.status_code == 200:
                if is_answer(response.content):
                    return response.content
                problem = "an answer that is no search page"
            elif may_pass(response.status_code):
                problem = f"HTTP {response.status_code}"
            else:
                raise _refusal(response, about, self._key)
            retries.failed(problem)
        raise UnavailableError(
            f"The search at {self._base_url} failed {MAX_TRIES} times {about} (last: {retries.problem}). "
            "Check the network and run again: every page that came is kept."
        )

    def _reserve(self, about: str, waited_before: float) -> tuple[int, float]:
        """(number of the request that may go now, seconds that were waited for it)."""
        waited, next_line = 0.0, 0.0
        while True:
            number, wait = self._budget.reserve()
            if number:
                return number, waited
            if waited_before + waited + wait > self._longest_wait:
                limit = self._budget.state().limit
                raise BudgetSpentError(_spent_sentence(limit, about, self._clock() + wait, wait, self._longest_wait))
            if waited >= next_line:
                logger.info("The request budget is used up %s: waiting %s", about, duration_text(wait))
                next_line += SECONDS_BETWEEN_WAIT_LINES
            pause = min(wait, MAX_SLEEP_SECONDS)
            self._sleep(pause)
            waited += pause

    def _ask(self, url: str, query: Mapping[str, Any], number: int) -> Answer | str:
        """The response, or the name of the trouble that kept it from coming."""
        import requests
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

        try:
            with self._session.get(url, params=query, allow_redirects=False, stream=True) as response:
                answer = read_answer(response, MAX_ANSWER_BYTES, ANSWER_SECONDS, "a page of photos")
        except requests.RequestException as error:
            cause = getattr(error.args[0], "reason", None) if error.args else None
            if isinstance(cause, (NewConnectionError, ConnectTimeoutError)):
                self._budget.withdraw(number)  # nobody was reached, so nobody counted it
            # The text of the error would repeat the whole url; its kind says enough.
            return type(error).__name__
        headers = answer.headers
        self._budget.answered(number, _count(headers, "X-Ratelimit-Limit"), _count(headers, "X-Ratelimit-Remaining"))
        return answer


def duration_text(seconds: float) -> str:
    """`40 s`, `38 min`, `0.9 h`, `14 h`, `3 days 15 h`."""
    hours = seconds / 3600
    if hours < 0.02:
        return f"{seconds:.0f} s"
    if hours < 0.75:
        return f"{seconds / 60:.0f} min"
    if hours < 9.95:
        return f"{hours:.1f} h"
    days, rest = divmod(round(hours), 24)
    if not days:
        return f"{rest} h"
    return f"{days:,} day{'s' if days > 1 else ''}" + (f" {rest} h" if rest else "")


def _count(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _is_search_page(content: bytes) -> bool:
    try:
        answer = parse_json(content.decode("utf-8"))
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("results"), list)


def _is_budget_spent(response: Answer) -> bool:
    """429, or the 403 that means a spent budget: its body is "Rate Limit Exceeded" and not JSON."""
    if response.status_code != 403:
        return response.status_code == 429
    return response.headers.get("X-Ratelimit-Remaining") == "0" or b"rate limit exceeded" in response.content.lower()


def _spent_sentence(limit: int, about: str, at: float, wait: float, longest: float) -> str:
    when = time.strftime("%H:%M" if wait < 86_400 else "%d %B %H:%M", time.localtime(at))
    return (
        f"The budget of {limit:,} requests an hour is used up {about}. The next request may go at {when} "
        f"(in {duration_text(wait)}), and links.max_wait is {longest:g} s. Run again then, every page that came is "
        "kept; or raise links.max_wait."
    )


def _refusal(response: Answer, about: str, key: str) -> SourceError:
    """An error for a status that trying again does not mend; never with the key in it."""
    try:
        answer = parse_json(response.content)
        errors = "; ".join(str(error) for error in answer["errors"])
    except (ValueError, KeyError, TypeError):
        errors = response.content[:1000].decode("utf-8", "replace").strip()
    errors = without_secret(errors, key)[:MAX_REFUSAL_LETTERS]
    if response.status_code == 401:
        return MissingKeyError(
            f"The photo search refuses the key (401: {errors}). Check the access key in UNSPLASH_ACCESS_KEY; "
            "it is the one called Access Key at unsplash.com/oauth/applications."
        )
    return SourceError(
        f"The photo search answers {response.status_code} {about} ({errors}). Check the word and the application's rights."
    )
