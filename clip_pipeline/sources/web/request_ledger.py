"""The ledger of requests: how many were made with a key in the last hour, over runs, processes, threads and crashes.

A request is written down before it is sent, so a crash can only count one too many. The window is rolling: never more
than the limit in any 60 minutes, whenever the service's own hour begins. Request number n of a key may go when request
n - limit is an hour old, which is one look-up. The ledger believes the service where that counts more than it does,
as when another program uses the same key.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline.sources.web.ledger_file import LedgerFile
from clip_pipeline.sources.web.retries import MAX_RETRY_AFTER_SECONDS

HOUR_SECONDS = 3600.0
DEMO_LIMIT, PRODUCTION_LIMIT = 50, 5000
"""Requests an hour of an Unsplash application, before and after its review; a new key is taken for the first kind."""

LEDGER_VERSION = 1
RESERVATIONS_BETWEEN_PRUNINGS = 256
CLAIM_SECONDS = HOUR_SECONDS
"""A download that was begun this long ago and never finished was begun by a run that died."""

TABLES = """
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, last_number INTEGER NOT NULL, last_at REAL NOT NULL, hourly INTEGER NOT NULL,
    answered_number INTEGER NOT NULL, top_number INTEGER NOT NULL, top_since REAL NOT NULL, closed_until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    key TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS downloads (photo TEXT PRIMARY KEY, begun REAL NOT NULL, done INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class BudgetState:
    """limit: requests an hour. learned: whether the service or the settings said it. used: in the last hour, by us.

    left: requests that may go at once. wait: seconds until one more may go, 0 while some are left.
    """

    limit: int
    learned: bool
    used: int
    left: int
    wait: float


@dataclass
class _Key:
    """One row of the table `keys`.

    last_number, last_at: of the last request. hourly: the limit as last said, 0 for unknown. answered_number: the latest
    request whose answer was read. top_number: the last request that the service would allow in its hour, which was
    first said at `top_since`. closed_until: nothing is sent before, since the service asked for a pause.
    """

    last_number: int = 0
    last_at: float = 0.0
    hourly: int = 0
    answered_number: int = 0
    top_number: int = 0
    top_since: float = 0.0
    closed_until: float = 0.0


class RequestLedger:
    """The SQLite file at `path`, made when it is not there. Threads may share it, processes open it each for itself.

    clock: seconds since 1970. window: seconds of an hour, shorter in tests. Raises DamagedArtifactError for a file that
    is no ledger, DiskError where it cannot be written.
    """

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = time.time, window: float = HOUR_SECONDS):
        self.path, self.clock, self.window = Path(path).expanduser(), clock, window
        self._file = LedgerFile(self.path, TABLES, LEDGER_VERSION)
        self.transaction, self.close = self._file.transaction, self._file.close
        self.damaged = self._file.damaged

    def budget(self, key: str, requests_per_hour: int = 0) -> Budget:
        """The budget of an access key, known by its hash. requests_per_hour: the limit, 0 to believe the service."""
        return Budget(self, hashlib.sha256(f"clip_pipeline {key}".encode()).hexdigest()[:32], requests_per_hour)

    def forget_answers(self) -> int:
        """Forgets what the service said of limits and pauses, for every key; returns how many keys there are. The requests of the
        last hour stay, as the service counts them too."""
        with self.transaction() as sql:
            sql.execute(
                "UPDATE keys SET hourly = 0, answered_number = 0, top_number = 0, top_since = 0, closed_until = 0"
            )
            return sql.execute("SELECT COUNT(*) FROM keys").fetchone()[0]

    def states(self) -> list[BudgetState]:
        """What is left now, of every key."""
        with self.transaction() as sql:
            keys = [key for (key,) in sql.execute("SELECT key FROM keys ORDER BY last_at DESC")]
        return [Budget(self, key, 0).state() for key in keys]

    # ---- downloads that were reported to the service, each once

    def begin_download(self, photo: str) -> bool:
        """Whether the photo's download is still to be reported; True makes it the caller's, for an hour."""
        now = self.clock()
        with self.transaction() as sql:
            row = sql.execute("SELECT begun, done FROM downloads WHERE photo = ?", (photo,)).fetchone()
            if row is not None and (row[1] or now - row[0] < CLAIM_SECONDS):
                return False
            sql.execute("INSERT OR REPLACE INTO downloads VALUES (?, ?, 0)", (photo, now))
        return True

    def end_download(self, photo: str, reported: bool) -> None:
        """Remembers for ever that a download was reported, or gives it back."""
        with self.transaction() as sql:
            if reported:
                sql.execute("UPDATE downloads SET done = 1 WHERE photo = ?", (photo,))
            else:
                sql.execute("DELETE FROM downloads WHERE photo = ? AND done = 0", (photo,))

    def unreported_downloads(self, photos: list[str]) -> list[str]:
        """Those of the photos whose download was never reported, in their order."""
        question = "SELECT 1 FROM downloads WHERE photo = ? AND done = 1"
        with self.transaction() as sql:
            return [photo for photo in photos if sql.execute(question, (photo,)).fetchone() is None]


class Budget:
    """The requests of one key. Made by `RequestLedger.budget`."""

    def __init__(self, ledger: RequestLedger, key: str, requests_per_hour: int):
        self.ledger, self._key, self._given_limit = ledger, key, requests_per_hour

    def reserve(self) -> tuple[int, float]:
        """(number of the request that may be sent now, 0.0), or (0, seconds until one may be)."""
        with self.ledger.transaction() as sql:
            now, state = self._now_and_state(sql)
            wait = self._wait(sql, state, now)
            if wait > 0:
                return 0, wait
            number = state.last_number = state.last_number + 1
            state.last_at = now
            sql.execute("INSERT INTO requests VALUES (?, ?, ?)", (self._key, number, now))
            if number % RESERVATIONS_BETWEEN_PRUNINGS == 0:
                sql.execute("DELETE FROM requests WHERE at < ?", (now - 2 * self.ledger.window,))
            self._save(sql, state)
        return number, 0.0

    def withdraw(self, number: int) -> None:
        """Takes back request `number`, which was surely not sent; only the latest can be."""
        with self.ledger.transaction() as sql:
            _, state = self._now_and_state(sql)
            if number == state.last_number:
                sql.execute("DELETE FROM requests WHERE key = ? AND number = ?", (self._key, number))
                state.last_number -= 1
                self._save(sql, state)

    def answered(self, number: int, limit: int | None, remaining: int | None) -> None:
        """What an answer to request `number` said of the budget; None for a header that was not there."""
        if (limit is None or limit < 1) and remaining is None:
            return
        with self.ledger.transaction() as sql:
            now, state = self._now_and_state(sql)
            if number < state.answered_number:
                return  # overtaken by the answer to a later request
            if limit is not None and limit >= 1:
                state.hourly = limit
            if remaining is not None:
                left_before = state.top_number - state.answered_number
                if remaining > left_before or now >= state.top_since + self.ledger.window:
                    state.top_since = now  # the service's hour has begun anew
                state.answered_number, state.top_number = number, number + max(remaining, 0)
            self._save(sql, state)

    def refused(self, number: int, retry_after: float | None) -> float:
        """Request `number` was refused since the budget is spent: nothing is sent for the seconds that are returned.

        That is what the service asks for, else the time until the oldest request of the last hour leaves it.
        """
        with self.ledger.transaction() as sql:
            now, state = self._now_and_state(sql)
            if retry_after is None:
                since = (self._key, now - self.ledger.window)
                (oldest,) = sql.execute("SELECT MIN(at) FROM requests WHERE key = ? AND at > ?", since).fetchone()
                retry_after = (now if oldest is None else oldest) + self.ledger.window - now
            retry_after = min(retry_after, MAX_RETRY_AFTER_SECONDS)
            state.closed_until = max(state.closed_until, now + retry_after)
            self._save(sql, state)
        return retry_after

    def state(self) -> BudgetState:
        """What is left now."""
        with self.ledger.transaction() as sql:
            now, state = self._now_and_state(sql)
            limit = self._limit(state)
            since = (self._key, now - self.ledger.window)
            (used,) = sql.execute("SELECT COUNT(*) FROM requests WHERE key = ? AND at > ?", since).fetchone()
            wait = self._wait(sql, state, now)
            left = 0 if wait > 0 else max(limit - used, 0)
            if left and now < state.top_since + self.ledger.window:
                left = min(left, state.top_number - state.last_number)
        return BudgetState(limit, bool(self._given_limit or state.hourly), used, left, wait)

    def _limit(self, state: _Key) -> int:
        return self._given_limit or state.hourly or DEMO_LIMIT

    def _wait(self, sql: sqlite3.Connection, state: _Key, now: float) -> float:
        """Seconds until the next request may go."""
        free_at = state.closed_until
        place = (self._key, state.last_number + 1 - self._limit(state))
        row = sql.execute("SELECT at FROM requests WHERE key = ? AND number = ?", place).fetchone()
        if row is not None and type(row[0]) is not float:
            raise self.ledger.damaged("the time of a request is no number")
        if row is not None:
            free_at = max(free_at, row[0] + self.ledger.window)
        if state.answered_number and state.last_number + 1 > state.top_number:
            free_at = max(free_at, state.top_since + self.ledger.window)
        return free_at - self.ledger.clock() if free_at > now else 0.0

    def _now_and_state(self, sql: sqlite3.Connection) -> tuple[float, _Key]:
        """The time, which never runs backwards, and the key's row.

        A clock that was set back by up to an hour is waited for. One that was further ahead was wrong: what it stamped
        counts as of now.
        """
        now = self.ledger.clock()
        row = sql.execute("SELECT * FROM keys WHERE key = ?", (self._key,)).fetchone()
        if row and not all(type(value) in (int, float) and abs(value) < 1e15 for value in row[1:]):
            raise self.ledger.damaged("the row of a key holds something else than numbers")
        state = _Key(*row[1:]) if row else _Key()
        # an older version kept pauses of years
        state.closed_until = min(state.closed_until, now + max(MAX_RETRY_AFTER_SECONDS, self.ledger.window))
        if state.last_at > now + self.ledger.window:
            sql.execute("UPDATE requests SET at = ? WHERE key = ? AND at > ?", (now, self._key, now))
            state.last_at, state.top_since = now, min(state.top_since, now)
            state.closed_until = min(state.closed_until, now + self.ledger.window)
            self._save(sql, state)
        return max(now, state.last_at), state

    def _save(self, sql: sqlite3.Connection, state: _Key) -> None:
        values = (self._key, *vars(state).values())
        sql.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
