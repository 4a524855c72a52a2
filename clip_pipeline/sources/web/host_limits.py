"""How often a host is asked: so many requests at a time, so many a second, none while it wants quiet."""

from __future__ import annotations

import threading
from time import monotonic

MAX_HOSTS = 10_000


class _Host:
    """One host. busy: requests that run, at most `limit`. waiting: those that wait for a turn. Times are on the monotonic clock."""

    __slots__ = ("busy", "limit", "next_start", "quiet_until", "room", "waiting")

    def __init__(self, limit: float, lock: threading.Lock):
        self.busy, self.waiting, self.limit = 0, 0, limit
        self.next_start, self.quiet_until = 0.0, 0.0
        self.room = threading.Condition(lock)


class HostLimits:
    """The limits of all hosts; safe to use from many threads.

    max_at_a_time: requests that run at one host. rate: requests a second to one host, 0 for no limit. max_quiet: seconds of
    quiet that are waited for. max_hosts: remembered at a time; those in use are never forgotten.
    """

    def __init__(self, max_at_a_time: int, rate: float, max_quiet: float, max_hosts: int = MAX_HOSTS):
        self._max_at_a_time, self._spacing, self._max_quiet = max_at_a_time, 1 / rate if rate else 0.0, max_quiet
        self._max_hosts = max_hosts
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
            if host.busy < host.limit and not spacing and not host.quiet_until:
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
            if host.limit < self._max_at_a_time:
                host.limit = min(host.limit + 1 / host.limit, self._max_at_a_time)
            host.room.notify()

    def quiet(self, name: str, seconds: float) -> None:
        """No request to the host for so long, from any thread; afterwards half as many at a time, then slowly more again.

        As TCP does it: all that waited would else come back in the same moment, and be sent away again.
        """
        with self._lock:
            host = self._hosts.get(name) or self._remember(name)
            now = monotonic()
            if host.quiet_until <= now:  # once for all those that were sent away together
                host.limit = max(host.limit / 2, 1.0)
            host.quiet_until = max(host.quiet_until, now + seconds)

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
                if host.quiet_until - now > self._max_quiet:
                    return None
                if host.quiet_until <= now:
                    host.quiet_until = 0.0
            start = max(host.quiet_until, host.next_start if spacing else 0.0)
            if host.busy >= host.limit:
                host.room.wait()
            elif start > now:
                host.room.wait(start - now)
            else:
                host.busy += 1
                host.next_start = now + spacing
                return now - began
        return None

    def _remember(self, name: str) -> _Host:
        if len(self._hosts) >= self._max_hosts:
            now = monotonic()
            for known, host in list(self._hosts.items()):
                if not (host.busy or host.waiting) and max(host.next_start, host.quiet_until) <= now:
                    del self._hosts[known]
        return self._hosts.setdefault(name, _Host(self._max_at_a_time, self._lock))
