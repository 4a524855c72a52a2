"""Ctrl-C that waits for a good moment."""

from __future__ import annotations

import signal
import threading

import pytest

from clip_pipeline.machine.interrupts import deferred_interrupt
from clip_pipeline_tests.made.warm_python import run_python


def test_ctrl_c_lets_the_work_come_to_its_end():
    done = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        done.append("a step")
        assert interrupted()
    assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait():
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_others_and_threads_are_left_alone():
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with deferred_interrupt() as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert heard and not interrupted()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def in_a_thread() -> None:
        with deferred_interrupt() as interrupted:
            heard.append(interrupted())

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert heard[-1] is False


STATE = """
import signal, sys
from clip_pipeline.machine.interrupts import deferred_interrupt, end_as_ctrl_c_does, signal_of
end_as_ctrl_c_does()
done = []
try:
    with deferred_interrupt() as interrupted:
        signal.raise_signal(int(sys.argv[1]))
        done.append("a step")
        assert interrupted()
except KeyboardInterrupt as error:
    assert done
    try:
        signal.raise_signal(int(sys.argv[1]))
    except KeyboardInterrupt as again:
        sys.exit(100 + (signal_of(error) == signal_of(again) == int(sys.argv[1])))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_signals_that_end_programs_wait_for_the_same_moment(number):
    assert run_python(["-c", STATE, int(number)]).returncode == 101


def test_what_nohup_ignores_stays_ignored():
    code = """
import signal
from clip_pipeline.machine.interrupts import end_as_ctrl_c_does
signal.signal(signal.SIGHUP, signal.SIG_IGN)
end_as_ctrl_c_does()
signal.raise_signal(signal.SIGHUP)
"""
    assert run_python(["-c", code]).returncode == 0
