"""A program and what it starts end together, whichever of them is killed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

import pytest

STARTER = """
import os, signal, sys, time
from pathlib import Path
from clip_pipeline.machine.process_tree import Program, ProcessTree

asked = []
signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
programs = [Program(f"Program {number}", [sys.executable, "-c", code], Path(sys.argv[3]) if number else None)
            for number, code in enumerate(sys.argv[1].split("# and"))]
tree = ProcessTree(programs, dict(os.environ), seconds=float(sys.argv[2]))
print("guard", tree.guard, flush=True)
while not asked and tree.poll() is None:
    time.sleep(0.05)
tree.ask_to_end()
while (status := tree.poll()) is None:
    time.sleep(0.05)
sys.exit(status)
"""
DEAF = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]"
BELOW = f"{DEAF}; print('below', os.getpid(), flush=True); time.sleep(60)".replace("import", "import os,", 1)
PROGRAM = f"""
import os, signal, subprocess, sys, time
print("program", os.getpid(), flush=True)
subprocess.Popen([sys.executable, "-c", {BELOW!r}], start_new_session=SESSION)
try:
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(7)
"""


class Started:
    """A starter with a program that has a child of its own, which listens to no signal. pids: by their names."""

    def __init__(self, program: str, seconds: float):
        self.starter = subprocess.Popen(
            [sys.executable, "-c", STARTER, program, str(seconds), ""], stdout=subprocess.PIPE, text=True
        )
        self.pids = {"starter": self.starter.pid}
        while len(self.pids) < 4:
            name, pid = self.starter.stdout.readline().split()
            self.pids[name] = int(pid)

    def all_end_within(self, seconds: float) -> bool:
        """All of them hold the pipe open."""
        ready, _, _ = select.select([self.starter.stdout], [], [], seconds)
        return bool(ready) and self.starter.stdout.read() == ""

    def clean_up(self) -> None:
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.starter.wait()


@pytest.fixture(params=[False, True], ids=["same group", "own session"])
def started(request):
    program = PROGRAM.replace("SESSION", str(request.param))
    if request.param and sys.platform != "linux":
        pytest.skip("only Linux gives orphans to another parent")
    made = Started(program, 0.5)
    yield made
    made.clean_up()


def test_an_interrupt_ends_all_and_gives_the_programs_status(started):
    os.kill(started.pids["starter"], signal.SIGINT)
    assert started.all_end_within(10)
    assert started.starter.wait(10) == 7


@pytest.mark.parametrize("killed", ["starter", "guard"])
def test_kill_9_of_any_leaves_none(started, killed):
    os.kill(started.pids[killed], signal.SIGKILL)
    assert started.all_end_within(10)
    assert started.starter.wait(10) == (-9 if killed == "starter" else 1)


def test_a_program_that_ends_by_itself_gives_its_status():
    done = subprocess.run(
        [sys.executable, "-c", STARTER, "raise SystemExit(3)", "5", ""], stdout=subprocess.PIPE, timeout=20
    )
    assert done.returncode == 3


def test_a_program_that_takes_its_time_is_waited_for():
    slow = "import time, sys\nprint('program 1\\nbelow 2', flush=True)\ntry:\n time.sleep(60)\nexcept KeyboardInterrupt:\n time.sleep(1); sys.exit(5)"
    made = Started(slow, 20)
    made.pids = {"starter": made.starter.pid}
    time.sleep(0.2)
    os.kill(made.starter.pid, signal.SIGINT)
    assert made.starter.wait(15) == 5


SPEAKER = """
import sys, time
print("NAME begins", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("NAME ends", flush=True)
"""


def test_one_is_started_once_the_other_is_ready_again_when_it_was_killed_and_ends_before_it(tmp_path):
    """The second prints its number, so that it can be killed; the first is ready when its file is there."""
    first = SPEAKER.replace("NAME", "first").replace(
        "try:", f"time.sleep(0.5); open({str(tmp_path / 'ready')!r}, 'w')\ntry:"
    )
    second = SPEAKER.replace("NAME begins", "second\", __import__('os').getpid(), \"begins").replace("NAME", "second")
    command = [sys.executable, "-c", STARTER, f"{first}# and{second}", "20", str(tmp_path / "ready")]
    starter = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [starter.stdout.readline().split() for _ in range(3)]
    assert [line[0] for line in lines] == ["guard", "first", "second"]
    os.kill(int(lines[2][1]), signal.SIGKILL)
    assert starter.stdout.readline().split()[0] == "second"
    starter.send_signal(signal.SIGINT)
    assert starter.stdout.read().splitlines() == ["second ends", "first ends"]
    assert starter.wait(10) == 0
    assert "Program 1 ended (exit status -9) and is started again." in starter.stderr.read()
