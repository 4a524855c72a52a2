"""A real tick of each schedule, and the run that it asks for."""

from __future__ import annotations

from datetime import datetime

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402
from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402

NAMES = ("monthly_words", "monthly_links", "weekly_training", "nightly_sample", "weekly_deep_look")


def requests(definitions, instance, name):
    schedule = definitions.get_repository_def().get_schedule_def(name)
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 12, 5, 3),
        repository_def=definitions.get_repository_def(),
    )
    return schedule.job_name, schedule.evaluate_tick(context).run_requests


def run(definitions, instance, name):
    """The outcome of the run that one tick of the schedule asks for."""
    job, (request,) = requests(definitions, instance, name)
    return definitions.get_job_def(job).execute_in_process(
        run_config=request.run_config, tags=request.tags, instance=instance, raise_on_error=True
    )


def test_all_schedules_and_all_sensors_but_the_mirror_are_stopped_until_someone_starts_them(definitions):
    repository = definitions.get_repository_def()
    assert {schedule.name for schedule in repository.schedule_defs} == set(NAMES)
    assert {schedule.default_status for schedule in repository.schedule_defs} == {dg.DefaultScheduleStatus.STOPPED}
    running = {
        sensor.name for sensor in repository.sensor_defs if sensor.default_status == dg.DefaultSensorStatus.RUNNING
    }
    assert running == {"data_folder"}
    assert not repository.get_sensor_def("data_folder").targets, "it starts no run"


def test_monthly_words_asks_the_mirror_and_goes_through_to_the_pairs(definitions, instance, data):
    from clip_pipeline.pipeline.sources.newest_dump import known_newest_dump

    result = run(definitions, instance, "monthly_words")
    with Workspace(data, find_recipe("tiny")) as workspace:
        newest = known_newest_dump(workspace)
        assert newest and newest == workspace.get("wikipedia_dump").facts["date"]
    seen = {event.asset_key.to_user_string() for event in result.get_asset_observation_events()}
    assert {"wikipedia_dump", "vocabulary", "image_links", "image_shards", "image_text_pairs"} <= seen
    assert not result.get_asset_materialization_events(), "the mirror has none newer, so all are hits"
    assert result.dagster_run.tags["recipe"] == "tiny" and result.dagster_run.tags["data_folder"] == str(data)


def test_monthly_links_asks_for_no_page_that_is_known(definitions, instance, data, monkeypatch):
    from clip_pipeline.sources.unsplash.api_client import UnsplashClient

    def asked(*_):
        raise AssertionError("A page was asked for.")

    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "links.photos_per_word=2")  # all links are stale, all pages are known
    monkeypatch.setattr(UnsplashClient, "get_page", asked)
    result = run(load_definitions(monkeypatch), instance, "monthly_links")
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert {"image_links", "photo_catalog", "image_shards", "image_text_pairs"} <= made


def test_weekly_training_asks_for_one_run_a_variant(definitions, instance, data):
    (data / "variants").mkdir()
    (data / "variants" / "slow.toml").write_text("[training]\nlearning_rate = 0.0001\n")
    job, asked = requests(definitions, instance, "weekly_training")
    assert job == "train" and {request.run_key for request in asked} == {
        "2026-12-05 03:00 tiny_test",
        "2026-12-05 03:00 slow",
    }
    assert [request.run_config["ops"]["choose"]["config"]["variants"] for request in asked] == [["tiny_test"], ["slow"]]
    assert [request.tags["variant"] for request in asked] == ["tiny_test", "slow"]
    result = definitions.get_job_def(job).execute_in_process(
        run_config=asked[0].run_config, instance=instance, raise_on_error=True
    )
    hits = {event.asset_key.to_user_string() for event in result.get_asset_observation_events()}
    assert "clip_checkpoint" in hits and "zero_shot_scores" not in hits and hits <= set(STEPS)
