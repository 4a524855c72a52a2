"""What decoding an image may cost at most, and who may decode now: memory that is known before it is taken.

Measured peaks beside the estimates: docs/decisions/0030-photos-cost-what-their-header-says.md.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from clip_pipeline.pixels.headers.header import CostlyImage, ImageHeader

MB = 1_000_000
DOWNLOAD_MB = 1000
"""What a download may take, all its processes together, if its settings do not say otherwise."""

PROCESSES_MB = 200
"""Of it, what the processes of a download take beside the photos that they decode (110 MB and 30 for each worker, 2026-12-01)."""

SECONDS = 10.0


DENSE_PIXELS, MAX_PIXELS_A_BYTE = 16_000_000, 200
"""Images of more pixels than this need a byte for every 200: photos have one for 5 to 50, plain white that is packed one for 1,000.
Otherwise a few hundred kB of nothing would keep a core busy for seconds, as often as somebody links to them."""


@dataclass(frozen=True)
class DecodeLimits:
    """memory: bytes. seconds: of one core. setting_of: names of settings that say so, by "memory" and "seconds"; "" where there are none."""

    memory: int = (DOWNLOAD_MB - PROCESSES_MB) * MB
    seconds: float = SECONDS
    memory_setting: str = ""
    seconds_setting: str = ""

    def check(self, header: ImageHeader, memory: int) -> None:
        """Raises CostlyImage where the image would take more. memory: bytes that all steps take at their worst moment."""
        size = f"decoding its {header.width} x {header.height} pixels"
        if memory > self.memory:
            limit = f"{self.memory // MB:,} MB is the most{self.memory_setting}"
            raise CostlyImage(f"{size} takes {-(-memory // MB):,} MB of memory; {limit}")
        if header.seconds > self.seconds:
            limit = f"{self.seconds:g} is the most{self.seconds_setting}"
            raise CostlyImage(f"{size} takes about {header.seconds:,.0f} seconds; {limit}")
        if header.pixels > max(DENSE_PIXELS, MAX_PIXELS_A_BYTE * len(header.content)):
            dense = f"{header.width} x {header.height} pixels in {len(header.content):,} bytes"
            raise CostlyImage(f"it says {dense}; a photo has fewer than {MAX_PIXELS_A_BYTE} for each byte")


class MemoryBudget:
    """Memory that several threads share: each waits, in the order in which they came, until what it wants is free."""

    def __init__(self, size: int):
        self.size, self.held = size, 0
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @contextlib.contextmanager
    def hold(self, wanted: int) -> Iterator[None]:
        """Waits for `wanted` bytes; more than there are in all are given to who is alone."""
        with self._changed:
            if self._waiting or not self._fits(wanted):
                ticket = object()
                self._waiting.append(ticket)
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._fits(wanted))
                self._waiting.popleft()
                self._changed.notify_all()
            self.held += wanted
        try:
            yield
        finally:
            with self._changed:
                self.held -= wanted
                if self._waiting:
                    self._changed.notify_all()

    def _fits(self, wanted: int) -> bool:
        return self.held == 0 or self.held + wanted <= self.size


LIMITS = DecodeLimits()
"""Of all that is decoded outside of downloads: embeddings, evaluation, training, single photos."""

SHARED_MEMORY = MemoryBudget(LIMITS.memory)
"""Of all threads of this process that decode outside of downloads."""
