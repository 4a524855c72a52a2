"""Results outside the data folder: whole, or not there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clip_pipeline.errors import StoreError
from clip_pipeline.storage.disk import remove_at_once
from clip_pipeline.storage.published import published_file, published_folder


def test_a_published_file_is_whole_or_not_there(tmp_path):
    with pytest.raises(RuntimeError), published_file(tmp_path / "out.txt") as path:
        path.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with published_file(tmp_path / "out.txt") as path:
        path.write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_published_folder_replaces_its_own_but_not_someone_elses_files(tmp_path):
    for text in ("one", "two"):
        with published_folder(tmp_path / "model") as (folder, _):
            (folder / "weights").write_text(text)
    assert (tmp_path / "model/weights").read_text() == "two"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match="did not write"), published_folder(tmp_path / "mine"):
        pass
    assert (tmp_path / "mine/thesis.txt").read_text() == "precious"


WRITER = """
import sys, time
from pathlib import Path
from clip_pipeline.storage.disk import remove_at_once
from clip_pipeline.storage.published import published_file, published_folder
place, text = Path(sys.argv[1]), sys.argv[2]
with published_folder(place / "folder") as (folder, work):
    (folder / "one").write_text(text)
    time.sleep(0.05)
    (folder / "two").write_text(text)
with published_file(place / "file") as path:
    path.write_text(text)
    time.sleep(0.05)
    path.write_text(path.read_text() + text)
"""


def test_six_who_write_to_one_place_take_turns_and_the_last_one_is_whole(tmp_path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(number)]) for number in range(6)]
    assert [writer.wait() for writer in writers] == [0] * 6
    one, two = ((tmp_path / "folder" / name).read_text() for name in ("one", "two"))
    assert one == two
    assert len(set((tmp_path / "file").read_text())) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def test_what_a_killed_writer_left_is_gone_after_the_next_and_its_lock_is_free(tmp_path):
    code = "import os, sys\n" + WRITER.replace("time.sleep(0.05)", "os._exit(1)", 1)
    assert subprocess.run([sys.executable, "-c", code, tmp_path, "x"], check=False).returncode == 1
    assert (tmp_path / ".folder.lock").exists()
    assert subprocess.run([sys.executable, "-c", WRITER, tmp_path, "y"], check=False).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def test_a_folder_whose_removal_is_killed_in_the_middle_is_not_half_there(tmp_path, monkeypatch):
    folder, away = tmp_path / "work", tmp_path / "away"
    folder.mkdir()
    for name in ("images.json", "images.npy"):
        (folder / name).touch()

    def remove_one_and_die(path, ignore_errors):
        if path.exists():
            (path / "images.npy").unlink()
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("clip_pipeline.storage.disk.shutil.rmtree", remove_one_and_die)
        remove_at_once(folder, away)
    assert not folder.exists() and [path.name for path in away.iterdir()] == ["images.json"]
    remove_at_once(folder, away)
    assert not list(tmp_path.iterdir())


def test_a_work_folder_is_gone_at_once_when_its_result_is_in_place(tmp_path, monkeypatch):
    """Else the next run would go on from the half of it that a kill left."""
    removed = []
    monkeypatch.setattr("clip_pipeline.storage.published.remove_at_once", lambda *paths: removed.append(paths))
    with published_folder(tmp_path / "model") as (folder, work):
        (work / "piece").touch()
    assert removed == [(tmp_path / ".model.work", tmp_path / ".model.staging")]
