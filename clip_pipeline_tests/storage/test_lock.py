from __future__ import annotations

import os
import subprocess
import sys

from clip_pipeline.storage.lock import exclusive_lock

HOLDER = """
import sys, time
from pathlib import Path
from clip_pipeline.storage.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "a thing"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_waits_for_the_lock_and_is_told_whose_it_is(tmp_path, caplog):
    path = tmp_path / "below" / "thing.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive_lock(path, "a thing", wait=False) as held:
            assert not held
        assert caplog.text == ""
        holder.kill()  # frees it, without a word of the holder's
        with exclusive_lock(path, "a thing") as held:
            assert held
            assert path.read_text() == str(os.getpid())


def test_the_wait_says_what_for(tmp_path, caplog):
    path = tmp_path / "thing.lock"
    code = HOLDER.replace("60", "0.5")
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive_lock(path, "a thing") as held:
            assert held
        assert f"process {holder.pid}" in caplog.text
        assert "is building a thing; waiting until it is done" in caplog.text


def test_a_folder_that_cannot_be_written_gives_no_lock_to_who_does_not_wait(tmp_path):
    (tmp_path / "file").write_text("")
    with exclusive_lock(tmp_path / "file" / "thing.lock", "a thing", wait=False) as held:
        assert not held
