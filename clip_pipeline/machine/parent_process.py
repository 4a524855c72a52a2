"""Processes that end when the one that started them does, also where it was killed and could not tell them."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait as wait_for_sentinels

SECONDS_BETWEEN_LOOKS = 0.5
PR_SET_PDEATHSIG = 1


def end_with_process(parent: int) -> None:
    """Ends this process within a second after `parent`, the number of the process that started it, whatever it is doing.

    Linux kills it, even where a native function keeps the interpreter busy; a thread that looks at the number of the parent does it
    where the system cannot, or where the parent ended before it was asked. Linux does so too when the parent goes on and only the
    thread that started this process ends: for processes that their starter waits for.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@functools.cache
def end_with_multiprocessing_parent() -> None:
    """The same for a process that `multiprocessing` started; does nothing in any other."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait_for_sentinels([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
