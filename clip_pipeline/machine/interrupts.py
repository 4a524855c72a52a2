"""Ctrl-C, and the signals that ask a program to end as Ctrl-C does; the end of what must not be cut in the middle is waited for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""A service manager, a batch system or `kill` asks; the terminal was closed."""


class Interrupted(KeyboardInterrupt):
    """As KeyboardInterrupt. number: of the signal that asked."""

    def __init__(self, number: int = signal.SIGINT):
        super().__init__()
        self.number = number


def end_as_ctrl_c_does() -> None:
    """From now on SIGTERM and SIGHUP raise `Interrupted` in the main thread, but for one that is ignored, as nohup asks."""
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def ignore_interrupts() -> None:
    """For a process that ends when its starter closes a pipe: signals that a terminal or a service manager sends to all are for the starter."""
    for number in (signal.SIGINT, *ENDING):
        signal.signal(number, signal.SIG_IGN)


def signal_of(error: BaseException) -> int:
    """The number of the signal that an interruption, or what was raised from one, came by."""
    interruption = interruption_behind(error)
    return interruption.number if isinstance(interruption, Interrupted) else signal.SIGINT


def interruption_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The interruption in whose course an error was raised, as by a clean-up that met a full disk; None where there is none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """`with deferred_interrupt() as interrupted:` SIGINT inside makes `interrupted()` true; KeyboardInterrupt is raised at the end.

    So do SIGTERM and SIGHUP after `end_as_ctrl_c_does`. Whoever asks brings the work to that end. A second signal raises at once, for people who do not want to wait. Where Python does not handle SIGINT itself, as
    in a thread beside the main one or below a framework that has its own way, nothing is changed and `interrupted()` stays false.
    """
    asked: list[int] = []

    def take_note(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise Interrupted(asked[0])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    ours = {number for number, handler in before.items() if handler in (signal.default_int_handler, _interrupt)}
    if threading.current_thread() is not threading.main_thread():
        ours = set()
    for number in ours:
        signal.signal(number, take_note)
    try:
        yield lambda: bool(asked)
    finally:
        for number in ours:
            signal.signal(number, before[number])
    if asked:
        raise Interrupted(asked[0])
