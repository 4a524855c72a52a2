"""Dagster's SQLite, written without waiting for the disk at each event.

Dagster (1.13.27) opens a connection for each event and closes it, and SQLite then writes its whole log into the database: the 289 events
of a run of hits waited 2,010 times for the disk, 4 s of 9 (2026-12-01). Here a commit does not wait (`PRAGMA synchronous=NORMAL`, which
with a write-ahead log keeps the database whole whatever happens), and a connection that stays open lets SQLite do that writing later.
What a power failure may lose are events of the last seconds, and the mirror tells those again.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from typing import Any

import sqlalchemy

KEPT_OPEN = 4
"""Databases: of runs, of schedules, of assets, and of the run that is under way."""

_open: OrderedDict[str, sqlite3.Connection] = OrderedDict()


def write_without_waiting() -> None:
    """For all SQLite databases that this process opens by SQLAlchemy from now on, as Dagster does."""
    if not sqlalchemy.event.contains(sqlalchemy.Engine, "connect", _prepare):
        sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _prepare)


def _prepare(connection: Any, record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    if not path or connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        return  # in memory, or before Dagster has made it
    connection.execute("PRAGMA synchronous=NORMAL")
    if path not in _open:
        _open[path] = sqlite3.connect(path, check_same_thread=False)
        _open[path].execute("PRAGMA schema_version").fetchone()  # SQLite opens the files when they are first read
        if len(_open) > KEPT_OPEN:
            _open.popitem(last=False)[1].close()
    _open.move_to_end(path)
