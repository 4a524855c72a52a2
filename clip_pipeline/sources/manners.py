"""How often a host is asked: so many requests at a time, so many a second, none while it wants quiet.

A photo that waits for its host holds the thread that fetches it, so a slow host could in time hold all threads of a
pool. Against that, whoever feeds the pool mixes the hosts (`interleave_by_host`): a host then holds as many threads as
it has photos in the stretch of the list that is being worked on.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic
from urllib.parse import urlsplit

MOST_HOSTS_REMEMBERED = 10_000


class _Host:
    """One host. busy: requests that run. waiting: those that wait for a turn. Times are on the monotonic clock."""

    __slots__ = ("busy", "next_start", "quiet_until", "room", "waiting")

    def __init__(self, lock: threading.Lock):
        self.busy, self.waiting, self.next_start, self.quiet_until = 0, 0, 0.0, 0.0
        self.room = threading.Condition(lock)


class Manners:
    """Turns at hosts; safe to use from many threads.

    most_at_a_time: requests that run at one host. rate: requests a second to one host, 0 for no limit. longest_quiet:
    seconds of quiet that are waited for.
    """

    def __init__(self, most_at_a_time: int, rate: float, longest_quiet: float):
        self._most, self._spacing, self._longest_quiet = most_at_a_time, 1 / rate if rate else 0.0, longest_quiet
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def enter(self, name: str, spacing: float = 0.0) -> float | None:
        """Waits for a turn at a host; `leave` ends it. Returns the seconds waited, None where there is no turn.

        spacing: seconds that the host wants between two requests. There is no turn at a host that wants a longer quiet
        than is waited for, and none after `close`.
        """
        spacing = max(spacing, self._spacing)
        with self._lock:
            host = self._hosts.get(name)
            if host is None:
                host = self._remember(name)
            if host.busy < self._most and not spacing and not host.quiet_until:
                host.busy += 1
                return 0.0
            host.waiting += 1
            try:
                return self._wait_for_turn(host, spacing)
            finally:
                host.waiting -= 1

    def leave(self, name: str) -> None:
        """Ends a turn."""
        with self._lock:
            host = self._hosts[name]
            host.busy -= 1
            host.room.notify()

    def quiet(self, name: str, seconds: float) -> None:
        """No request to the host for so long, from any thread."""
        with self._lock:
            host = self._hosts.get(name) or self._remember(name)
            host.quiet_until = max(host.quiet_until, monotonic() + seconds)

    def pause(self, seconds: float) -> bool:
        """Waits; False when the end came before."""
        return not self._closing.wait(seconds)

    def close(self) -> None:
        """Ends all waiting."""
        self._closing.set()
        with self._lock:
            for host in self._hosts.values():
                host.room.notify_all()

    def _wait_for_turn(self, host: _Host, spacing: float) -> float | None:
        """As `enter`; the lock is held when it is called and when it returns, not in between."""
        began = monotonic()
        while not self._closing.is_set():
            now = monotonic()
            if host.quiet_until:
                if host.quiet_until - now > self._longest_quiet:
                    return None
                if host.quiet_until <= now:
                    host.quiet_until = 0.0
            start = max(host.quiet_until, host.next_start if spacing else 0.0)
            if host.busy >= self._most:
                host.room.wait()
            elif start > now:
                host.room.wait(start - now)
            else:
                host.busy += 1
                host.next_start = now + spacing
                return now - began
        return None

    def _remember(self, name: str) -> _Host:
        if len(self._hosts) >= MOST_HOSTS_REMEMBERED:
            now = monotonic()
            for known, host in list(self._hosts.items()):
                if not (host.busy or host.waiting) and max(host.next_start, host.quiet_until) <= now:
                    del self._hosts[known]
        return self._hosts.setdefault(name, _Host(self._lock))


def interleave_by_host(urls: Sequence[str]) -> list[int]:
    """The order in which to fetch urls, as positions in `urls`, so that each host's are spread evenly over the whole.

    Of a host with n urls one falls into each n-th part of the order; among equals the earlier url comes first.
    Deterministic: the same urls give the same order.
    """
    of_host: dict[str, list[int]] = {}
    for position, url in enumerate(urls):
        of_host.setdefault(_host_of(url), []).append(position)
    places = [
        ((turn + 0.5) / len(positions), position)
        for positions in of_host.values()
        for turn, position in enumerate(positions)
    ]
    return [position for _, position in sorted(places)]


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
