from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

from clip_pipeline.storage.lock import exclusive_lock, is_locked, owner_of

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
            assert owner_of(path).startswith(f"{os.getpid()} on ")


def test_the_wait_says_what_for(tmp_path, caplog):
    path = tmp_path / "thing.lock"
    code = HOLDER.replace("60", "0.5")
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with exclusive_lock(path, "a thing") as held:
            assert held
        assert f"process {holder.pid}" in caplog.text
        assert "is writing a thing; waiting until it is done" in caplog.text


def test_a_folder_that_cannot_be_written_gives_no_lock_to_who_does_not_wait(tmp_path):
    (tmp_path / "file").write_text("")
    with exclusive_lock(tmp_path / "file" / "thing.lock", "a thing", wait=False) as held:
        assert not held


def test_a_lock_beside_the_users_files_goes_with_its_holder_and_still_lets_in_one_at_a_time(tmp_path):
    path, inside, most = tmp_path / ".out.lock", [], []

    def write() -> None:
        for _ in range(50):
            with exclusive_lock(path, "out", remove=True):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and len(most) == 300
    assert list(tmp_path.iterdir()) == []


def test_those_who_share_a_lock_hold_it_together_and_shut_out_who_wants_it_alone(tmp_path):
    path = tmp_path / "lock"
    with (
        exclusive_lock(path, "", wait=False, shared=True) as one,
        exclusive_lock(path, "", wait=False, shared=True) as two,
    ):
        assert one and two
        with exclusive_lock(path, "", wait=False) as alone:
            assert not alone
    with exclusive_lock(path, "", wait=False) as alone:
        assert alone


def test_a_lock_holds_although_a_full_disk_has_no_room_for_its_owners_name(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("clip_pipeline.storage.lock.os.pwrite", full)
    with exclusive_lock(tmp_path / "lock", "a thing") as held:
        assert held and is_locked(tmp_path / "lock")
