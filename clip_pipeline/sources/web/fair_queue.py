"""Which url the threads of a pool fetch next, so that a slow host does not come to hold all of them.

A thread that fetches is held until its host has answered, and as long as the host's limits make it wait. In the order of
the list, a slow host would collect thread after thread. So no host gets more threads than its share of the urls that are
left, as long as another has urls to give: a host with a tenth of the photos holds at most a tenth of the threads.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit


class FairQueue:
    """Hands the positions of `urls` to `threads` threads, each of which goes through `each`.

    max_at_a_time: requests that may run at one host; more threads would only wait there. Each host's urls come in their
    order and are spread evenly over the whole; which thread gets which depends on time, as do the shares.
    """

    def __init__(self, urls: Sequence[str], threads: int, max_at_a_time: int):
        self._threads, self._most = threads, max_at_a_time
        self._positions: dict[str, list[int]] = {}
        for position, url in enumerate(urls):
            self._positions.setdefault(_host_of(url), []).append(position)
        self._taken = dict.fromkeys(self._positions, 0)
        self._finished = dict.fromkeys(self._positions, 0)
        self._left = len(urls)
        self._next = [(self._place(host), host) for host in self._positions]
        heapq.heapify(self._next)
        self._lock = threading.Lock()

    def each(self) -> Iterator[int]:
        """Positions for one thread, one after another; the request for the next one says that the last is done."""
        while (taken := self._take()) is not None:
            host, position = taken
            try:
                yield position
            finally:
                with self._lock:
                    self._finished[host] += 1
                    self._left -= 1

    def end(self) -> None:
        """No thread gets another position."""
        with self._lock:
            self._next.clear()

    def _take(self) -> tuple[str, int] | None:
        with self._lock:
            passed = []
            second: tuple[float, str] | None = None
            while self._next:
                entry = heapq.heappop(self._next)
                running = self._taken[entry[1]] - self._finished[entry[1]]
                if running < self._most:
                    share = (len(self._positions[entry[1]]) - self._finished[entry[1]]) / self._left
                    if running < self._threads * share:
                        break
                    second = second or entry
                passed.append(entry)
            else:
                if not passed:
                    return None
                entry = second or passed[0]
                passed.remove(entry)
            for other in passed:  # at most one a thread: each has something running
                heapq.heappush(self._next, other)
            host = entry[1]
            position = self._positions[host][self._taken[host]]
            self._taken[host] += 1
            if self._taken[host] < len(self._positions[host]):
                heapq.heappush(self._next, (self._place(host), host))
            return host, position

    def _place(self, host: str) -> float:
        """Where in the whole, from 0 to 1, a host's next url belongs."""
        return (self._taken[host] + 0.5) / len(self._positions[host])


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
