"""Runs whose code server is gone are found; all others are left alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")
grpc = pytest.importorskip("grpc")

from clip_pipeline.defs.home import make_home  # noqa: E402


@pytest.fixture
def instance(tmp_path):
    with dg.DagsterInstance.from_config(str(make_home(tmp_path / "home"))) as made:
        yield made


def status_of(instance, tags: dict[str, str]) -> str:
    run = instance.create_run_for_job(
        dg.GraphDefinition("nothing").to_job(), tags=tags, status=dg.DagsterRunStatus.STARTED
    )
    assert instance.run_launcher.supports_check_run_worker_health, "dagster.yaml names our launcher"
    return instance.run_launcher.check_run_worker_health(run).status.name


def tags_of(path: Path) -> dict[str, str]:
    return {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": str(path)})}


def test_a_run_whose_code_server_is_gone_has_failed(instance, tmp_path):
    assert status_of(instance, tags_of(tmp_path / "none.sock")) == "FAILED"
    with socket.socket(socket.AF_UNIX) as killed:  # it leaves its file
        killed.bind(str(tmp_path / "dead.sock"))
    assert status_of(instance, tags_of(tmp_path / "dead.sock")) == "FAILED"


def test_a_run_whose_code_server_is_there_or_that_has_none_runs_on(instance, tmp_path):
    assert status_of(instance, {}) == "RUNNING"
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{tmp_path / 'live.sock'}")
    server.start()
    try:
        assert status_of(instance, tags_of(tmp_path / "live.sock")) == "RUNNING", (
            "it answers, if only that it knows no ping"
        )
    finally:
        server.stop(None)


def started(instance, tags: dict[str, str], pid: int) -> str:
    """The status of a run of which Dagster said, in its own words, which process it has."""
    from dagster._core.events import EngineEventData

    run = instance.create_run_for_job(
        dg.GraphDefinition("nothing").to_job(), tags=tags, status=dg.DagsterRunStatus.STARTED
    )
    instance.report_engine_event("Executing run.", run)
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid), object)
    return instance.run_launcher.check_run_worker_health(run).status.name


def test_a_run_whose_process_is_gone_has_failed_though_another_code_server_answers(instance, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{tmp_path / 'again.sock'}")
    server.start()
    try:
        tags = tags_of(tmp_path / "again.sock")
        assert started(instance, tags, ended.pid) == "FAILED"
        assert started(instance, tags, os.getpid()) == "RUNNING"
        assert started(instance, {}, ended.pid) == "RUNNING", "nobody said on which machine it runs"
    finally:
        server.stop(None)
