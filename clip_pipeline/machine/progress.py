"""Progress of long work: a bar with rate and remaining time on a terminal, a line now and then elsewhere; what is waited for."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from clip_pipeline.display.printable import printable, terminal_of

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
SHARE_BETWEEN_LINES = 0.1
"""Of the time that the work has taken: a training of a day leaves a hundred lines in a log and not ten thousand."""
SECONDS_BEFORE_A_WAIT_IS_SAID = 2.0
SECONDS_BEFORE_FIRST_WORDS = 0.3
"""Of a command, once its arguments are read, which takes 0.2 to 0.4 s: what it does is said within a second."""

_WAITS: set[str] = set()
_WAITS_LOCK = threading.Lock()
_SHOWN: ContextVar[bool] = ContextVar("progress is shown", default=True)


class ProgressBar:
    """Counts finished units; made by `progress`."""

    def __init__(self, what: str, total: int | None, unit: str):
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self._started = self._last_line = time.monotonic()
        self._bar = None
        if _SHOWN.get() and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total,
                unit=unit,
                desc=printable(what),
                leave=False,
                dynamic_ncols=True,
                unit_scale=True,
                file=terminal_of(sys.stderr),
            )

    def advance(self, count: int = 1, note: str = "") -> None:
        """Adds `count` finished units; `note` is a short text shown beside the bar, such as `loss 1.23`."""
        self.done += count
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif time.monotonic() - self._last_line >= max(
            SECONDS_BETWEEN_LINES, SHARE_BETWEEN_LINES * (time.monotonic() - self._started)
        ):
            self._last_line = time.monotonic()
            if _SHOWN.get() or logger.isEnabledFor(logging.INFO):
                _say_or_log(self._line(note))

    def _line(self, note: str) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self.done / seconds
        line = f"{self.what}: {self.done:,}"
        if self.total is not None:
            line += f" of {self.total:,}"
        line += f" {self.unit}s, {rate:,.1f} a second"
        if self.total is not None and rate > 0:
            line += f", {max(self.total - self.done, 0) / rate:,.0f} s left"
        return f"{line}, {note}" if note else line

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def progress(what: str, total: int | None = None, unit: str = "item") -> Iterator[ProgressBar]:
    """`with progress("Downloading photos", total=1000, unit="photo") as bar: ... bar.advance()`.

    what: the present participle of the work. total: number of units, None where unknown. unit: singular.
    """
    bar = ProgressBar(what, total, unit)
    try:
        yield bar
    finally:
        bar.close()


@contextmanager
def shown_progress(shown: bool) -> Iterator[None]:
    """Whether work inside it shows bars and says what it waits for. The library's functions do so only where they are asked."""
    token = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(token)


@contextmanager
def waiting(what: str, after: float = SECONDS_BEFORE_A_WAIT_IS_SAID) -> Iterator[None]:
    """`with waiting("Loading torch"): import torch` says `Loading torch …` on stderr, in a run of Dagster in its log, where that takes
    longer than `after` seconds, at once for 0.

    For work that has no units to count. what: the present participle of the work; threads that wait for the same say it once.
    """
    with _WAITS_LOCK:
        first = _SHOWN.get() and what not in _WAITS
        if first:
            _WAITS.add(what)
    if not first:
        yield
        return
    timer = threading.Timer(after, _say_or_log, (f"{what} …",))
    timer.daemon = True
    if after > 0:
        timer.start()
    else:
        _say_or_log(f"{what} …")
    try:
        yield
    finally:
        timer.cancel()
        with _WAITS_LOCK:
            _WAITS.discard(what)


def say(line: str) -> None:
    """A line on stderr at once: what was decided, before long work. Only where progress is shown."""
    if _SHOWN.get():
        _write_line(line)


def _say_or_log(line: str) -> None:
    if logger.isEnabledFor(logging.INFO):  # a run of Dagster, whose page shows its log and not its stderr; or --verbose
        logger.info("%s", line)
    else:
        _write_line(line)


def _write_line(line: str) -> None:
    """Above the bars, where there are some."""
    if "tqdm" in sys.modules and sys.stderr.isatty():
        sys.modules["tqdm"].tqdm.write(printable(line), file=terminal_of(sys.stderr))
    else:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
