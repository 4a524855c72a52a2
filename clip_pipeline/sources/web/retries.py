"""Trying again: which failures may pass, how often it is tried, and how long the pause before each further try is.

Every request of ours goes by this: files of strangers' servers, downloads, API calls. RFC 9110 sections 10.2.3 and 15.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Protocol

logger = logging.getLogger(__name__)

MAX_TRIES = 5
MAX_WAIT_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.25
MAX_PAUSE_SECONDS = 30.0
MAX_RETRY_AFTER_SECONDS = 6 * 3600.0
"""What is believed of `Retry-After`: a server that asks for 32 years means a clock or a number that is wrong, and a shop that
closes for a day is asked again after a quarter of it."""

_generator = random.Random()


def may_pass(status: int) -> bool:
    """Whether an HTTP status speaks of a trouble that another try may not meet."""
    return status in (408, 425, 429) or 500 <= status <= 599


def connection_errors() -> tuple[type[Exception], ...]:
    """What requests raises for a trouble on the way that another try may not meet."""
    import requests

    return (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    )


class _Headers(Protocol):
    def get(self, name: str, /) -> str | None: ...


def retry_after_seconds(headers: _Headers, now: float) -> float | None:
    """Seconds that `Retry-After` asks to wait, None without one that can be read (RFC 9110, section 10.2.3).

    headers: a mapping that ignores case. now: seconds since 1970, for the form that is a date.
    """
    text = (headers.get("Retry-After") or "")[:100].strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - now, 0.0), MAX_RETRY_AFTER_SECONDS)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def backoff_seconds(attempt: int, generator: random.Random) -> float:
    """Pause after failed try number `attempt` (from 0): doubles each time, half of it by chance so that clients part."""
    longest = min(FIRST_PAUSE_SECONDS * 2 ** min(attempt, 20), MAX_PAUSE_SECONDS)
    return longest * generator.uniform(0.5, 1.0)


class Retries:
    """The tries at one thing that failed in a row.

    what: its url, for the log. max_tries: failures after which it is given up. max_waits: times that it may ask for a wait
    of its own (`busy`) before it is given up. jitter_seconds: added by chance to a pause that the server asked for, so that
    clients which were asked for the same one do not come back together. sleep: waits so many seconds.
    """

    def __init__(
        self,
        what: str,
        max_tries: int = MAX_TRIES,
        sleep: Callable[[float], None] = time.sleep,
        *,
        max_waits: int | None = None,
        jitter_seconds: float = 0.0,
    ):
        self.failures = self.waits = 0
        self.problem = ""
        self._what, self._max_tries, self._max_waits, self._sleep = what, max_tries, max_waits, sleep
        self._jitter_seconds = jitter_seconds

    @property
    def left(self) -> bool:
        """Whether there is another try."""
        return self.failures < self._max_tries and (self._max_waits is None or self.waits < self._max_waits)

    def next_pause(self, problem: str, asked_seconds: float | None = None) -> float | None:
        """Counts a failure. Returns the seconds to wait before the next try, None where none is left.

        asked_seconds: what the server asked for (`Retry-After`); without it the pause grows from try to try.
        """
        self.failures += 1
        self.problem = problem
        if not self.left:
            return None
        return self._asked(asked_seconds) or backoff_seconds(self.failures - 1, _generator)

    def failed(self, problem: str, asked_seconds: float | None = None) -> None:
        """Counts a failure, and waits for the next try where one is left, MAX_WAIT_SECONDS at most."""
        pause = self.next_pause(problem, asked_seconds)
        if pause is not None:
            self._wait(pause)

    def busy(self, problem: str, asked_seconds: float) -> None:
        """The server works and asks for patience: waits as `failed`, and counts a wait instead of a failure."""
        self.waits += 1
        self.problem = problem
        if self.left:
            self._wait(self._asked(asked_seconds) or 0.0)

    def progressed(self) -> None:
        """Something came: only failures in a row count."""
        self.failures = 0

    def _asked(self, seconds: float | None) -> float | None:
        return None if seconds is None else seconds + _generator.uniform(0, self._jitter_seconds)

    def _wait(self, seconds: float) -> None:
        seconds = min(seconds, MAX_WAIT_SECONDS)
        logger.info("%s: %s, trying again in %.1f s", self._what, self.problem, seconds)
        self._sleep(seconds)
