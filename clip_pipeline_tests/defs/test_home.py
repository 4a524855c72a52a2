"""The folder of Dagster's history and its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.home import CONFIGURATION, make_home  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.from_config(str(make_home(tmp_path / "below" / "home"))) as made:
        yield made


def test_slots_of_a_killed_run_come_back_within_a_minute(instance):
    look = instance.run_monitoring_poll_interval_seconds
    assert instance.run_monitoring_enabled
    assert look + instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] <= 50


def test_nothing_is_sent_to_anyone_and_the_terminal_is_not_flooded(instance):
    assert not instance.telemetry_enabled and not instance.nux_enabled
    assert instance.python_log_level == "INFO", "else each run says every event of Dagster's to the terminal"


def test_a_configuration_of_the_users_own_is_left_and_that_of_the_checkout_is_ours(tmp_path):
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")
    assert make_home(tmp_path) == tmp_path
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry:\n  enabled: true\n"
    assert (ROOT / "dagster_home" / "dagster.yaml").read_text() == CONFIGURATION.read_text()
