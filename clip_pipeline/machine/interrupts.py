"""Ctrl-C that waits for the end of what must not be cut in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """`with deferred_interrupt() as interrupted:` SIGINT inside makes `interrupted()` true; KeyboardInterrupt is raised at the end.

    Whoever asks brings the work to that end. A second SIGINT raises at once, for people who do not want to wait. Where Python does not handle SIGINT itself, as
    in a thread beside the main one or below a framework that has its own way, nothing is changed and `interrupted()` stays false.
    """
    asked: list[int] = []

    def take_note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread() and before is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, take_note)
    try:
        yield lambda: bool(asked)
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
