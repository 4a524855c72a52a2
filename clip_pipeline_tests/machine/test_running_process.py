from __future__ import annotations

import os
import subprocess
import sys
import time

from clip_pipeline.machine.running_process import still_runs


def test_a_process_runs_until_it_ends():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    seen = time.time()
    assert still_runs(process.pid, seen)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not still_runs(process.pid, seen), "it has ended, and its starter has not looked yet"
    process.wait()
    assert not still_runs(process.pid, seen)


def test_a_later_process_of_the_number_is_another():
    assert still_runs(os.getpid(), time.time())
    assert not still_runs(os.getpid(), time.time() - 1e6)
    assert still_runs(1, time.time()), "one of somebody else's is there as well"
