"""Failures that may pass: they leave a shard incomplete, and too many of them are an outage, which is no result."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from clip_pipeline.errors import OutageError
from clip_pipeline.sources.photos.local_photos import UNREADABLE
from clip_pipeline.sources.web import retries
from clip_pipeline.sources.web.addresses import NO_ADDRESS
from clip_pipeline.sources.web.http_response import CUT
from clip_pipeline.sources.web.robots_cache import OF_ROBOTS

MAX_RETRY_MINUTES = 7 * 24 * 60.0
"""The longest wait between two tries at an incomplete shard."""

MIN_OUTAGE = 5
"""Of fewer failures a share says nothing: one host that is down would stop a shard of three photos. But if no photo came it is an outage."""

MAX_EXAMPLE = 200
"""Characters of the example, whose host and reason a stranger wrote."""

INCOMPLETE = "incomplete"
"""Under this name stats and facts say what a shard lacks: photos, example, tries, tried. A complete shard has no such entry."""


def may_pass(status: str, message: str | None) -> bool:
    """Whether a failure of that status and reason says nothing of the photo: its host, the way to it or a disk was in trouble.

    404 does not pass, nor a url that makes no sense, a name that does not exist while others do, nor an answer that is cut at the same
    byte each time it is asked for; 503 does, a pause that was too long to wait for, and a name that could not be looked up.
    """
    message = message or ""
    if status == "http_error":
        number = re.fullmatch(r"HTTP (\d+)", message)
        return "pause" in message if number is None else retries.may_pass(int(number[1]))
    if status == "connection_error":
        return message != CUT and not message.startswith(("the url ", NO_ADDRESS, OF_ROBOTS + NO_ADDRESS))
    if (
        status == "missing_file"
    ):  # a disk that gives an error may be there again; a file that is not there comes with another list of them
        return UNREADABLE in message
    return status == "timeout"


def wants_another_try(attempt: Mapping[str, Any]) -> bool:
    """Whether a finished attempt is to be made again: a failure that may pass, or a photo that stands in for one."""
    if attempt["status"] == "success":
        status, _, message = (attempt.get("error_message") or "").partition(": ")
        return may_pass(status, message)
    return may_pass(attempt["status"], attempt.get("error_message"))


def standing_in(failure: Mapping[str, Any]) -> str:
    """The error_message of a photo that is still as an older shard had it, since it could not be had in another form."""
    return f"{failure['status']}: {failure['error_message']}"


def example_of(attempt: Mapping[str, Any]) -> str:
    """`photos.test: HTTP 503`, of a row of the table or of a failure."""
    try:
        host = urlsplit(attempt["url"]).hostname
    except ValueError:
        host = None
    text = f"{host or attempt['url']}: {attempt['error_message']}"
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_EXAMPLE])


class OutageWatch:
    """Counts the failures of one shard that may pass; safe to use from many threads.

    shard: its name. photos: how many it has. max_percent: `download.max_outage_percent`.
    """

    def __init__(self, shard: str, photos: int, max_percent: float):
        self._shard, self._photos, self._max_percent = shard, photos, max_percent
        self._lock = threading.Lock()
        self._failures = 0
        self._example = ""

    def add(self, failure: Mapping[str, Any]) -> None:
        """Takes note of a failed attempt."""
        if may_pass(failure["status"], failure["error_message"]):
            with self._lock:
                self._failures += 1
                self._example = self._example or example_of(failure)

    @property
    def too_many(self) -> bool:
        """Whether there are more than allowed: no further photo can change that. Where none is allowed, one is too many."""
        counts = self._failures >= MIN_OUTAGE or self._failures == self._photos or not self._max_percent
        return counts and self._failures * 100 > self._max_percent * self._photos

    def check(self) -> None:
        """Raises OutageError where there were too many."""
        if self.too_many:
            raise OutageError(
                f"{self._failures:,} of {self._photos:,} photos of shard {self._shard} could not be had for now, such as {self._example}; "
                f"download.max_outage_percent allows {self._max_percent:g} %. Nothing was replaced, and what came is kept. Run again when "
                "the hosts answer, or take what there is with --set download.max_outage_percent=100."
            )


# ---- what a usable shard lacks, and when it is tried again


@dataclass(frozen=True)
class Lack:
    """photos: how many could not be had for now. example: of them. tries: runs in a row that brought none of them. tried: when last."""

    photos: int
    example: str
    tries: int
    tried: datetime

    def due_at(self, retry_minutes: float) -> datetime:
        """From when on a run tries again: the first one after the failure does, then each waits twice as long as the one before."""
        if self.tries <= 1 or not retry_minutes:
            return self.tried
        return self.tried + timedelta(minutes=min(retry_minutes * 2.0 ** min(self.tries - 2, 30), MAX_RETRY_MINUTES))

    def is_due(self, retry_minutes: float, now: datetime) -> bool:
        """Whether a run tries again now; also where the clock was set back since."""
        return now < self.tried or now >= self.due_at(retry_minutes)

    def sentence(self, retry_minutes: float, now: datetime) -> str:
        """Such as "lacks 12 photos for now (photos.test: HTTP 503); the next run tries again"."""
        photos = "1 photo" if self.photos == 1 else f"{self.photos:,} photos"
        lacks = f"lacks {photos} for now ({self.example})"
        if self.is_due(retry_minutes, now):
            return f"{lacks}; the next run tries again"
        due = self.due_at(retry_minutes).astimezone()
        when = f"{due:%H:%M}" if due - now < timedelta(hours=20) else f"{due:%d %B %H:%M}"
        return f"{lacks}; tried {self.tries} times, again from {when} on, or at once with download.retry_minutes=0"


def lack_of(stats: Mapping[str, Any]) -> Lack | None:
    """What stats, or the facts of a manifest, say under INCOMPLETE; None where nothing is lacking."""
    stored = stats.get(INCOMPLETE)
    if not stored:
        return None
    try:
        tried = datetime.fromisoformat(stored["tried"])
        return Lack(int(stored["photos"]), str(stored["example"]), int(stored["tries"]), tried.astimezone(UTC))
    except (KeyError, TypeError, ValueError, OverflowError):
        return Lack(1, f"the entry {INCOMPLETE} of its stats cannot be read", 1, now_utc())


def add_tries(stats: dict[str, Any], before: Lack | None, asked: bool = True) -> None:
    """Adds to the entry INCOMPLETE of a shard that was just written how often it was tried in vain, and when last.

    before: of the shard that it replaces. asked: whether its photos were asked for; else it waits as the old one did.
    """
    lacking = stats.get(INCOMPLETE)
    if lacking is None:
        return
    if not asked and before is not None:
        tries, tried = before.tries, before.tried
    else:
        in_vain = before is not None and lacking["photos"] >= before.photos
        tries, tried = (before.tries + 1 if before is not None and in_vain else 1), now_utc()
    stats[INCOMPLETE] = lacking | {"tries": tries, "tried": tried.isoformat()}


def now_utc() -> datetime:
    """The time by the system's clock, in whole seconds as manifests have it."""
    return datetime.now(UTC).replace(microsecond=0)
