"""Damage of the data folder, found by a tick of a schedule and by the job on the page."""

from __future__ import annotations

from datetime import datetime

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402
from clip_pipeline_tests.made.small_data import KEYS, WANTED, flip_bit, small_data  # noqa: E402

SHARD = KEYS[1]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    return small_data(tmp_path / "data")


def ticked(monkeypatch, name):
    """(definitions, the run that a tick of the schedule asks for)."""
    definitions = load_definitions(monkeypatch)
    schedule = definitions.get_repository_def().get_schedule_def(name)
    assert schedule.job_name == "verify_data" and schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with dg.DagsterInstance.ephemeral() as instance:
        when = datetime(2026, 12, 6, 2)
        (request,) = schedule.evaluate_tick(
            dg.build_schedule_context(instance=instance, scheduled_execution_time=when)
        ).run_requests
    return definitions, request


def run(definitions, config, tags=None):
    job = definitions.get_job_def("verify_data")
    return job.execute_in_process(run_config=config, tags=tags, raise_on_error=False)


def failure(result):
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data


def test_the_weekly_deep_look_finds_a_flipped_bit_and_fails_with_the_table(store, monkeypatch):
    definitions, request = ticked(monkeypatch, "weekly_deep_look")
    assert run(definitions, request.run_config, request.tags).success
    flip_bit(store.get(SHARD).file("a.bin"), 77)
    found = failure(run(definitions, request.run_config, request.tags))
    assert found.description.startswith(
        "image_shards[00000]: a.bin differs from its manifest. Launch this job with repair on"
    )
    (record,) = found.metadata["Damage"].records
    assert record.data["artifact"] == "image_shards" and record.data["partition"] == "00000"
    assert store.why_stale(SHARD, WANTED) == "", "a look changes nothing"


def test_the_nightly_sample_reads_a_share_drawn_with_its_date(store, monkeypatch):
    definitions, request = ticked(monkeypatch, "nightly_sample")
    assert request.run_config["ops"]["look_for_damage"]["config"] == {"sample": 3.0, "seed": 20261206}
    assert run(definitions, request.run_config, request.tags).success
    store.get(SHARD).file("a.bin").unlink()
    assert "a.bin is missing" in failure(run(definitions, request.run_config)).description


def test_the_job_repairs_where_it_is_asked_to(store, monkeypatch):
    definitions = load_definitions(monkeypatch)
    flip_bit(store.get(SHARD).file("a.bin"), 77)
    config = {"ops": {"look_for_damage": {"config": {"deep": True, "repair": True}}}}
    assert (
        "image_shards[00000] were set aside: the next run builds them" in failure(run(definitions, config)).description
    )
    assert store.why_stale(SHARD, WANTED).startswith("set aside by verify")
