"""Asking again: how often, and the pause before each further try."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from clip_pipeline.errors import SourceError
from clip_pipeline.sources.web.api_session import backoff_seconds, connection_errors, may_pass, retry_after_seconds

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

TRIES = 5
MAX_WAIT_SECONDS = 300.0
CHUNK_BYTES = 1 << 18


class Retries:
    """The tries at one thing that failed in a row.

    what: its url, for the log. most: failures after which it is given up. sleep: waits so many seconds.
    """

    def __init__(self, what: str, most: int = TRIES, sleep: Callable[[float], None] = time.sleep):
        self.failures = 0
        self.problem = ""
        self._what, self._most, self._sleep = what, most, sleep
        self._chance = random.Random()

    @property
    def left(self) -> bool:
        """Whether there is another try."""
        return self.failures < self._most

    def failed(self, problem: str, told_seconds: float | None = None) -> None:
        """Counts a failure. Where a try is left, waits for it: as long as the other side told, or longer each time."""
        self.failures += 1
        self.problem = problem
        if self.left:
            self.wait(problem, told_seconds or backoff_seconds(self.failures - 1, self._chance))

    def wait(self, problem: str, seconds: float) -> None:
        """Waits, MAX_WAIT_SECONDS at most, without counting a failure."""
        seconds = min(seconds, MAX_WAIT_SECONDS)
        logger.info("%s: %s, trying again in %.1f s", self._what, problem, seconds)
        self._sleep(seconds)


def read_answer(session: requests.Session, url: str, most_bytes: int | None = None) -> bytes | None:
    """The whole content at a url, None for 404; asks again where that may help.

    Raises SourceError for a status that will not pass, for what comes cut or not at all each time, and for more than
    `most_bytes`.
    """
    retries = Retries(url)
    while retries.left:
        told_seconds = None
        try:
            with session.get(url, stream=True, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status_code == 404:
                    return None
                if answer.status_code == 200:
                    content = _read_content(answer, most_bytes)
                    told_bytes = answer.headers.get("Content-Length", str(len(content)))
                    if told_bytes == str(len(content)) or answer.headers.get("Content-Encoding"):
                        return content
                    problem = f"{len(content):,} of {told_bytes} bytes"
                else:
                    problem = f"HTTP {answer.status_code}"
                    told_seconds = retry_after_seconds(answer.headers, time.time())
                    if not may_pass(answer.status_code):
                        retries.problem = problem
                        break
        except connection_errors() as error:
            problem = type(error).__name__
        retries.failed(problem, told_seconds)
    raise SourceError(f"{url} cannot be read ({retries.problem}). Check the address and the network, then run again.")


def _read_content(answer: requests.Response, most_bytes: int | None) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(CHUNK_BYTES):
        content += chunk
        if most_bytes is not None and len(content) > most_bytes:
            raise SourceError(f"{answer.url} sends more than {most_bytes:,} bytes, expected a small list.")
    return bytes(content)
