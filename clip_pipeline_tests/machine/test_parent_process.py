"""Processes that end with the one that started them, whatever they are doing."""

from __future__ import annotations

import multiprocessing
import os
import select
import subprocess
import sys

import pytest

from clip_pipeline.machine import parent_process

CHILD = """
import os, sys, time
from clip_pipeline.machine import parent_process
if sys.argv[2] == "no prctl":
    parent_process.sys.platform = "other"
parent_process.end_with_process(int(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""
PARENT = "import subprocess, sys, os, time; subprocess.Popen([sys.executable, '-c', sys.argv[1], str(os.getpid()), sys.argv[2]]); time.sleep(60)"


def ends_within(stream, seconds: float) -> bool:
    """Whether all processes that have the pipe open end."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return bool(ready) and stream.read() == b""


@pytest.mark.parametrize("way", ["prctl", "no prctl"])
def test_kill_9_takes_along_what_it_started(way):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD, way], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"ready\n"
    parent.kill()
    parent.wait()
    assert ends_within(parent.stdout, 3)


def test_a_parent_that_ended_before_is_noticed():
    process = subprocess.Popen([sys.executable, "-c", CHILD, "1", "prctl"], stdout=subprocess.PIPE)
    assert process.wait(10) == 1


def sleep_below(writing) -> None:
    parent_process.end_with_multiprocessing_parent()
    writing.send("ready")
    multiprocessing.Event().wait(60)


def start_and_be_killed(writing) -> None:
    multiprocessing.get_context("spawn").Process(target=sleep_below, args=(writing,)).start()
    multiprocessing.Event().wait(60)


def test_so_does_what_multiprocessing_started():
    spawn = multiprocessing.get_context("spawn")
    reading, writing = spawn.Pipe(duplex=False)
    parent = spawn.Process(target=start_and_be_killed, args=(writing,))
    parent.start()
    writing.close()
    assert reading.recv() == "ready"
    os.kill(parent.pid, 9)
    parent.join()
    assert reading.poll(3)
    with pytest.raises(EOFError):
        reading.recv()
