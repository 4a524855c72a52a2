"""The file of the request ledger: SQLite, one writer at a time over threads and processes, its errors as sentences."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_pipeline.errors import DamagedArtifactError, DiskError, StoreError

BUSY_SECONDS = 60.0


class LedgerFile:
    """The SQLite file at `path`, made with `tables` (SQL) when it is not there. Threads may share it.

    version: of the tables. Raises DamagedArtifactError for a file that is no ledger or of another version, DiskError where
    it cannot be written, StoreError where another program holds it for longer than BUSY_SECONDS.
    """

    def __init__(self, path: Path, tables: str, version: int):
        self.path, self._tables, self._version = path, tables, version
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection with the write lock held; committed at the end, undone when the block raises."""
        with self._lock, self._errors_as_sentences():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._process == os.getpid():
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if problem := _no_database(self.path):
            raise _damaged(self.path, problem)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._process = connection, os.getpid()
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()  # 1 ms for 10,000 requests
        if found != "ok":
            raise _damaged(self.path, found)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, self._version):
            raise DamagedArtifactError(
                f"The request ledger {self.path} is of version {version}, this program writes {self._version}. "
                "Use the program that wrote it, or name another file in links.ledger."
            )
        # Survives a killed process. Only a power cut can lose the last rows, and then the service's own count corrects
        # us. 0.03 ms a reservation so, milliseconds with a sync at each (2026-11-21).
        connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            # The change to WAL does not wait for others by itself, and whoever is first does it for all.
            _wait_while_locked(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.executescript(f"BEGIN IMMEDIATE; {self._tables} PRAGMA user_version = {self._version}; COMMIT;")

    @contextmanager
    def _errors_as_sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            problem = str(error)
            if "locked" in problem or "busy" in problem:
                raise StoreError(
                    f"The request ledger {self.path} was held by another program for {BUSY_SECONDS:.0f} s. "
                    "Find the run that hangs, end it, and run again."
                ) from error
            if any(word in problem for word in ("unable to open", "readonly", "full", "disk I/O")):
                raise DiskError(
                    f"The request ledger {self.path} cannot be written ({problem}). Give yourself the right to write "
                    "there and free some space, or name another file in links.ledger."
                ) from error
            raise _damaged(self.path, problem) from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, str(error)) from error
        except (sqlite3.Warning, OverflowError) as error:
            raise _damaged(self.path, str(error)) from error

    def damaged(self, problem: str) -> DamagedArtifactError:
        """The error for values that no ledger of ours holds."""
        return _damaged(self.path, problem)


def _no_database(path: Path) -> str:
    """Why what lies there is no database, as far as SQLite does not say so itself: it waits for a pipe, and takes an empty file, or a
    few bytes, for a new one, so that the requests of the last hour would be forgotten."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return ""
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        return "it is a pipe or a device"
    if (
        state.st_size == 0 and time.time() - state.st_mtime > BUSY_SECONDS
    ):  # else another process may be about to fill it
        return "it is empty"
    return "it is too short" if 0 < state.st_size < 512 and path.is_file() else ""


def _wait_while_locked(change: Callable[[], object]) -> None:
    """Makes a change, again while another process holds the file, for as long as BUSY_SECONDS."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            change()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _damaged(path: Path, problem: str) -> DamagedArtifactError:
    return DamagedArtifactError(
        f"{path} is no request ledger, or is damaged ({problem}). Wait until an hour has passed since your last request, "
        "then move the file away and run again: a new one is begun."
    )
