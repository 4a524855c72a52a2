"""Downloads reported to the service: each photo that is kept, once."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import BudgetSpentError, DamagedArtifactError, MissingKeyError, SourceError
from clip_pipeline.images.download.unsplash_reports import report_downloads
from clip_pipeline.sources.web.request_ledger import RequestLedger


class Service:
    """Takes `budget` downloads, then says that the budget is spent. Those in `refused` fail."""

    def __init__(self, budget: int = 1000, refused: tuple[str, ...] = ()):
        self.budget, self.refused = budget, refused
        self.reported: list[str] = []
        self.connections = 0

    @contextmanager
    def connect(self):
        self.connections += 1
        yield self

    def report_download(self, location: str) -> None:
        if location in self.refused:
            raise SourceError(f"no {location}")
        if len(self.reported) >= self.budget:
            raise BudgetSpentError("spent")
        self.reported.append(location)


@pytest.fixture
def ledger(tmp_path):
    made = RequestLedger(tmp_path / "requests.sqlite")
    yield made
    made.close()


@pytest.fixture
def attempts(tmp_path) -> Path:
    """Five photos that are stored, one that failed, one of a source that does not ask to be reported."""
    rows = [{"id": f"p{number}", "status": "success", "download_location": f"at p{number}"} for number in range(5)]
    rows.append({"id": "failed", "status": "not_found", "download_location": "at failed"})
    rows.append({"id": "own", "status": "success", "download_location": None})
    schema = pa.schema([("id", pa.string()), ("status", pa.string()), ("download_location", pa.string())])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "00000.parquet")
    return tmp_path / "00000.parquet"


ALL = [f"at p{number}" for number in range(5)]


def test_photos_that_are_stored_are_told_and_no_others(attempts, ledger):
    service = Service()
    assert report_downloads(attempts, service.connect, ledger) == {"reported": 5, "failed": 0, "left": 0}
    assert service.reported == ALL


def test_a_second_run_tells_nothing_and_does_not_even_connect(attempts, ledger):
    report_downloads(attempts, Service().connect, ledger)
    service = Service()
    assert report_downloads(attempts, service.connect, ledger) == {"reported": 0, "failed": 0, "left": 0}
    assert (service.reported, service.connections) == ([], 0)


def test_what_the_budget_does_not_allow_is_left_for_the_next_run(attempts, ledger):
    assert report_downloads(attempts, Service(2).connect, ledger) == {"reported": 2, "failed": 0, "left": 3}
    service = Service()
    report_downloads(attempts, service.connect, ledger)
    assert service.reported == ALL[2:]


def test_one_that_fails_does_not_hold_up_the_others_and_is_tried_again(attempts, ledger, caplog):
    assert report_downloads(attempts, Service(refused=("at p1",)).connect, ledger) == {
        "reported": 4,
        "failed": 1,
        "left": 0,
    }
    assert "The download of p1 was not reported: no at p1" in caplog.text
    service = Service()
    report_downloads(attempts, service.connect, ledger)
    assert service.reported == ["at p1"]


@pytest.mark.parametrize("error", [MissingKeyError("no key"), DamagedArtifactError("no ledger")])
def test_a_service_that_cannot_be_reached_harms_nothing(attempts, ledger, caplog, error):
    def connect():
        raise error

    assert report_downloads(attempts, connect, ledger) == {"reported": 0, "failed": 0, "left": 5}
    assert "were not reported" in caplog.text


def test_stopped_in_the_middle_the_photo_is_given_back(attempts, ledger):
    class Stopping(Service):
        def report_download(self, location: str) -> None:
            if location == "at p2":
                raise KeyboardInterrupt
            super().report_download(location)

    with pytest.raises(KeyboardInterrupt):
        report_downloads(attempts, Stopping().connect, ledger)
    service = Service()
    report_downloads(attempts, service.connect, ledger)
    assert service.reported == ALL[2:]


def test_two_runs_at_once_tell_each_photo_once(attempts, ledger):
    service = Service()

    class Interrupted(Service):
        def report_download(self, location: str) -> None:
            super().report_download(location)
            if location == "at p1":  # another run comes by, while this one has p1 in hand
                report_downloads(attempts, service.connect, ledger)

    first = Interrupted()
    report_downloads(attempts, first.connect, ledger)
    assert sorted(first.reported + service.reported) == ALL
