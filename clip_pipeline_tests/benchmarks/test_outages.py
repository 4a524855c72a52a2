"""The load test in its small form: a download through faults and two outages of two hosts loses nothing."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def outages(monkeypatch):
    """benchmarks/outages.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("outages")
    for name in ("outages", "download"):
        sys.modules.pop(name, None)


def test_one_photo_in_twenty_has_a_fault_and_no_two_files_are_equal(outages):
    faulty = sum(bool(outages.fault_of(number)) for number in range(10_000))
    assert faulty == pytest.approx(500, abs=80)
    assert len({outages.photo_bytes(number) for number in range(450)}) == 450
    assert {outages.host_of(number) for number in range(200)} == {f"host{n}.test" for n in range(10)}


@pytest.mark.slow
def test_hosts_that_die_and_come_back_cost_no_photo_and_the_bytes_are_those_of_a_calm_download(outages, tmp_path):
    said: list[str] = []
    given = ["--photos", "400", "--photos-per-shard", "30", "--dead-seconds", "1", "--calm", "--folder", str(tmp_path)]
    course = outages.main(given, said.append)
    assert course.outages == 2
    assert "The bytes are those of a download without an outage" in said
    with pytest.raises(SystemExit, match="each photo of the list"):
        outages.check_rows(tmp_path / "shards", 401)
    tar, other = sorted((tmp_path / "shards").glob("*.tar"))[:2]
    shutil.copyfile(other, tar)
    with pytest.raises(SystemExit, match=f"the photos in {tar.name}"):
        outages.check_rows(tmp_path / "shards", 400)
