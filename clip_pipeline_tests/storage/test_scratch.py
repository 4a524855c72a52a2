"""Temporary folders, and those that killed processes left."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clip_pipeline.storage.scratch import scratch_folder, sweep_scratch

LONG = """
import time
from clip_pipeline.storage.scratch import scratch_folder
with scratch_folder("test") as folder:
    (folder / "file").write_text("")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def folders(tmp_path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("clip_pipeline_*/*-*"))


def test_it_is_empty_and_goes_at_the_end(tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch_folder("test") as folder:
        assert list(folder.iterdir()) == [] and len(folders(tmp_path)) == 1
        (folder / "file").write_text("")
        raise KeyboardInterrupt
    assert folders(tmp_path) == []


def test_what_a_killed_process_left_is_removed_and_what_others_use_is_not(tmp_path):
    killed, living = (
        subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    left, used = (Path(process.stdout.readline().strip()) for process in (killed, living))
    killed.kill()
    killed.wait()
    assert (left / "file").exists()
    with scratch_folder("test") as one, scratch_folder("test") as two:
        assert one != two and not left.exists() and (used / "file").exists()
        assert len(folders(tmp_path)) == 3
    living.kill()
    living.wait()


def test_a_command_without_such_folders_removes_those_of_all_names(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, text=True)
    left = Path(killed.stdout.readline().strip())
    killed.kill()
    killed.wait()
    sweep_scratch()
    assert not left.exists() and folders(tmp_path) == []
