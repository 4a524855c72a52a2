"""The output of a run: in the file that the page shows, on the terminal, and no process beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.home import make_home  # noqa: E402

WRITER = """
import os, sys
from pathlib import Path
import dagster as dg
with dg.DagsterInstance.get() as instance:
    kept = instance.compute_log_manager
    with kept.capture_logs(["run", "compute_logs", "step"]):
        print("from Python", flush=True)
        os.write(1, b"from a library\\n")
        os.write(2, b"a warning\\n")
        children = [file.read_text() for file in Path("/proc/self/task").glob("*/children")]
    data = kept.get_log_data(["run", "compute_logs", "step"])
    assert data.stdout == b"from Python\\nfrom a library\\n", data
    assert data.stderr == b"a warning\\n", data
    assert kept.is_capture_complete(["run", "compute_logs", "step"])
    print("children:", *children)
"""


def test_it_is_kept_and_shown_and_starts_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(make_home(tmp_path / "home")))
    ended = subprocess.run([sys.executable, "-c", WRITER], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("children:")[0] == "from Python\nfrom a library\n"
    assert not ended.stdout.split("children:")[1].strip(), "a process that could outlive a killed run"
    assert "a warning\n" in ended.stderr
    assert list(Path(tmp_path / "home/storage/run/compute_logs").iterdir()), "where Dagster's page looks"
