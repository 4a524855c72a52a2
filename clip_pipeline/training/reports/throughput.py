"""How fast a training goes: pairs a second, how long it waited for data, how much memory it takes."""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


class Throughput:
    """Measures from one row of the log to the next. clock: seconds, as time.monotonic."""

    def __init__(self, clock: Callable[[], float], device: str):
        self.clock, self.device = clock, device
        self.started = self.marked = clock()
        self.waited = 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The time inside is spent on getting the batch ready."""
        began = self.clock()
        yield
        self.waited += self.clock() - began

    def row(self, pairs: int) -> dict[str, float]:
        """Columns of the log for the `pairs` since the last row."""
        now = self.clock()
        seconds = max(now - self.marked, 1e-9)
        measured = {
            "pairs_per_second": pairs / seconds,
            "data_wait_share": min(1.0, self.waited / seconds),
            "memory_mb": peak_memory_bytes(self.device) / 1e6,
            "seconds": now - self.started,
        }
        self.marked, self.waited = now, 0.0
        return measured


def peak_memory_bytes(device: str) -> int:
    """Most memory taken so far: of the process, or of this process on a GPU."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    with contextlib.suppress(OSError):
        # getrusage's peak is no use here: a process that another one starts begins with the peak of that one
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
