from __future__ import annotations

import io
import logging
import sys
import threading
import time

import pytest

from clip_pipeline.machine.progress import progress, shown_progress, waiting


def test_a_long_wait_says_what_it_is_once(capsys):
    with waiting("Loading torch", after=0.01):
        time.sleep(0.2)
    assert capsys.readouterr().err == "Loading torch …\n"


def test_a_short_wait_says_nothing(capsys):
    with waiting("Loading torch", after=5):
        pass
    assert capsys.readouterr().err == ""


def test_a_wait_that_is_said_at_once_is_said_before_the_work(capsys):
    with waiting("Loading torch", after=0):
        assert capsys.readouterr().err == "Loading torch …\n"


@pytest.mark.parametrize("after", [0, 0.01])
def test_where_the_log_is_read_a_wait_is_a_line_of_it(caplog, capsys, after):
    with caplog.at_level(logging.INFO, "clip_pipeline"), waiting("Loading torch", after=after):
        time.sleep(0.2)
    assert caplog.messages == ["Loading torch …"]
    assert capsys.readouterr().err == ""


def test_a_wait_that_fails_is_over(capsys):
    with pytest.raises(ValueError), waiting("Loading torch", after=0.1):
        raise ValueError
    time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_threads_that_wait_for_the_same_say_it_once(capsys):
    def wait() -> None:
        with waiting("Compiling", after=0.05):
            time.sleep(0.3)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capsys.readouterr().err == "Compiling …\n"
    wait()
    assert capsys.readouterr().err == "Compiling …\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("shown", [True, False])
def test_bars_and_waits_are_shown_only_where_they_are_asked_for(monkeypatch, shown):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with shown_progress(shown):
        with progress("Counting", total=3, unit="word") as bar:
            bar.advance(3)
        with waiting("Loading torch", after=0.0):
            time.sleep(0.2)
    assert ("Counting" in terminal.getvalue(), "Loading torch" in terminal.getvalue()) == (shown, shown)
    assert bar.done == 3


@pytest.mark.parametrize("shown", [True, False])
def test_where_there_is_no_terminal_long_work_says_how_far_it_is(monkeypatch, capsys, shown):
    monkeypatch.setattr("clip_pipeline.machine.progress.time.monotonic", clock := Clock())
    with shown_progress(shown), progress("Training", total=100, unit="step") as bar:
        for _ in range(100):
            clock.seconds += 5
            bar.advance(note="loss 1.2")
    lines = capsys.readouterr().err.splitlines()
    if not shown:
        assert not lines
        return
    assert lines[0] == "Training: 2 of 100 steps, 0.2 a second, 490 s left, loss 1.2"
    # every ten seconds at first, then after a tenth of what the work has taken, so 40 s apart near the end
    done = [int(line.split()[1]) for line in lines]
    assert done[:4] == [2, 4, 6, 8]
    assert max(later - earlier for earlier, later in zip(done, done[1:], strict=False)) * 5 <= 50
    assert len(lines) < 30


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds
