"""The case of the ledger of requests: no request is sent that it does not have, whenever the sender was killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_pipeline_tests.crash_points.case import Case, scratch_left

KEY, REQUESTS = "key", 6


@contextmanager
def ledger_of_requests() -> Iterator[Case]:
    """Requests that are reserved, sent, answered and refused, and downloads that are reported."""

    def command(folder: Path) -> None:
        from clip_pipeline.sources.web.request_ledger import RequestLedger

        ledger = RequestLedger(folder / "ledger" / "requests.sqlite")
        budget = ledger.budget(KEY, 1000)
        for _ in range(REQUESTS):
            number, _ = budget.reserve()
            _note(folder / "sent", str(number))
            budget.answered(number, 1000, 900)
        number, _ = budget.reserve()
        _note(folder / "sent", str(number))
        budget.refused(number, 0.0)
        for photo in ("a", "b"):
            if ledger.begin_download(photo):
                _note(folder / "reported", photo)
                ledger.end_download(photo, reported=True)
        ledger.forget_answers()
        ledger.close()

    def promises(folder: Path) -> list[str]:
        return scratch_left(folder) + _broken(folder)

    yield Case("ledger", lambda folder: None, command, lambda folder: {}, promises, _broken)


def _note(path: Path, what: str) -> None:
    with path.open("a") as stream:
        stream.write(f"{what}\n")


def _broken(folder: Path) -> list[str]:
    """What the file says that is not so; it is read as the next command reads it."""
    sent = (folder / "sent").read_text().split() if (folder / "sent").exists() else []
    told = (folder / "reported").read_text().split() if (folder / "reported").exists() else []
    wrong = []
    if len(set(sent)) < len(sent):
        wrong.append("a number was given twice")
    if len(set(told)) < len(told):
        wrong.append("a download was reported twice")
    path = folder / "ledger" / "requests.sqlite"
    if not path.exists():
        return wrong + ["requests were sent without a ledger"] * bool(sent)
    connection = sqlite3.connect(path)
    try:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        known = (
            {str(n) for (n,) in connection.execute("SELECT number FROM requests")} if "requests" in tables else set()
        )
    finally:
        connection.close()
    if sound != "ok":
        wrong.append(f"SQLite says {sound}")
    return wrong + [f"request {number} was sent and is not known" for number in sent if number not in known]
