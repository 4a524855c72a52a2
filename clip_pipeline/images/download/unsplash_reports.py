"""Downloads reported to the service that a photo came from, each once, as the terms of Unsplash ask."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from clip_pipeline.display.counts import counts_text
from clip_pipeline.errors import BudgetSpentError, SourceError, StoreError
from clip_pipeline.machine.progress import progress

logger = logging.getLogger(__name__)


class DownloadCounter(Protocol):
    """A photo service that wants downloads reported."""

    def report_download(self, location: str) -> None:
        """Tells it. Raises BudgetSpentError, or SourceError for another refusal."""


class DownloadReports(Protocol):
    """What remembers which downloads were reported, over runs and processes."""

    def unreported_downloads(self, photos: list[str]) -> list[str]:
        """Those of the photos that were never reported."""

    def begin_download(self, photo: str) -> bool:
        """Whether the photo is now the caller's to tell."""

    def end_download(self, photo: str, reported: bool) -> None:
        """Remembers it, or gives it back."""


def report_downloads(
    attempts: Path, connect: Callable[[], AbstractContextManager[DownloadCounter]], ledger: DownloadReports
) -> dict[str, int]:
    """Tells of every photo in a shard's table of attempts that is stored and has a download_location.

    attempts: NNNNN.parquet. connect: makes the client, and is called only where there is something to tell. Returns the
    numbers of photos reported, failed and left for the next run, which begins where this one ended: when the budget is
    spent, what is left waits. Raises nothing for a service that fails or refuses, which is logged.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["id", "status", "download_location"]
    table = pq.read_table(attempts, columns=columns)
    table = table.filter(pc.and_(pc.equal(table["status"], "success"), pc.is_valid(table["download_location"])))
    locations = dict(zip(table["id"].to_pylist(), table["download_location"].to_pylist(), strict=True))
    counts: Counter[str] = Counter(reported=0, failed=0, left=0)
    try:
        unreported = ledger.unreported_downloads(list(locations))
        if unreported:
            with connect() as service, progress("Reporting downloads", total=len(unreported), unit="photo") as bar:
                for place, photo in enumerate(unreported):
                    if ledger.begin_download(photo):
                        outcome = _report(service, photo, locations[photo], ledger)
                        if outcome == "left":
                            counts["left"] = len(unreported) - place
                            break
                        counts[outcome] += 1
                    bar.advance()
            logger.info("Downloads of %s: %s", attempts.stem, counts_text(counts))
    except (SourceError, StoreError) as error:
        counts["left"] = len(locations) - counts["reported"] - counts["failed"]
        logger.warning("Downloads of shard %s were not reported: %s The next run tries again.", attempts.stem, error)
    return dict(counts)


def _report(service: DownloadCounter, photo: str, location: str, ledger: DownloadReports) -> str:
    """reported, failed, or left where the budget is spent."""
    outcome = "failed"
    try:
        service.report_download(location)
        outcome = "reported"
    except BudgetSpentError as error:
        logger.info("%s", error)
        outcome = "left"
    except SourceError as error:
        logger.warning("The download of %s was not reported: %s", photo, error)
    finally:
        ledger.end_download(photo, outcome == "reported")
    return outcome
