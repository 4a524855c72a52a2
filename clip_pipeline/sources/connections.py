"""Kept-alive HTTP/1.1 connections to checked addresses, and the watch that ends those past their deadline.

The standard library's client, without the layers above it: about a third of their processor time a photo.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from clip_pipeline.sources.addresses import Place

SECONDS_BETWEEN_CHECKS = 0.05

Site = tuple[str, str, int]
"""Scheme, name and port: connections are kept for each."""


class Connection(http.client.HTTPConnection):
    """One connection to a site, by way of one of its checked addresses."""

    def __init__(self, site: Site, places: list[Place], context: ssl.SSLContext | None):
        super().__init__(site[1], site[2])
        self.site, self.context, self._places = site, context, places
        self.used = False
        self._open_socket: socket.socket | None = None

    def connect(self) -> None:
        """Tries the addresses in turn. Raises the last one's OSError."""
        for number, place in enumerate(self._places, start=1):
            try:
                self.sock = socket.create_connection(place, self.timeout)
                break
            except OSError:
                if number == len(self._places):
                    raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # http.client forgets its socket when the answer says "Connection: close", before the body is read.
        self._open_socket = self.sock
        if self.context is not None:
            # The handshake comes after the socket is known, so that the watch can end it as well.
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.site[1], do_handshake_on_connect=False)
            self._open_socket = self.sock
            self.sock.do_handshake()

    def set_silence(self, seconds: float) -> None:
        """Longest silence from the other side, in seconds."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def end(self) -> None:
        """Makes a read in another thread return at once."""
        if self._open_socket is not None:
            with contextlib.suppress(OSError):
                # The plain socket's method: TLS objects must not be touched from another thread.
                socket.socket.shutdown(self._open_socket, socket.SHUT_RDWR)


class Connections:
    """Idle connections by site, and the deadline watch; safe to use from many threads."""

    def __init__(self, most_idle: int):
        self._idle: dict[Site, list[Connection]] = {}  # the site that was used last comes last
        self._idle_count, self._most_idle = 0, most_idle
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._watched: dict[Connection, float] = {}
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def take(self, site: Site, places: list[Place]) -> Connection:
        """An idle connection of the site, or a new one that is not connected yet."""
        with self._lock:
            idle = self._idle.get(site)
            if idle:
                self._idle_count -= 1
                return idle.pop()
            if site[0] == "https" and self._context is None:
                self._context = ssl.create_default_context()
        return Connection(site, places, self._context if site[0] == "https" else None)

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection whose last answer was read to its end."""
        connection.used = True
        with self._lock:
            if not self._closed.is_set():
                idle = self._idle.pop(connection.site, [])
                self._idle[connection.site] = idle
                idle.append(connection)
                self._idle_count += 1
            excess = connection if self._closed.is_set() else self._take_oldest_beyond_limit()
        if excess is not None:
            excess.close()

    def _take_oldest_beyond_limit(self) -> Connection | None:
        while self._idle_count > self._most_idle:
            site, idle = next(iter(self._idle.items()))
            if idle:
                self._idle_count -= 1
                return idle.pop(0)
            del self._idle[site]
        return None

    @contextmanager
    def watched(self, connection: Connection, deadline: float) -> Iterator[None]:
        """Ends the connection when the monotonic clock passes `deadline`, even while bytes drip in."""
        with self._lock:
            self._watched[connection] = deadline
            if self._watch is None:
                self._watch = threading.Thread(target=self._end_overdue, daemon=True, name="download deadlines")
                self._watch.start()
        try:
            yield
        finally:
            with self._lock:
                del self._watched[connection]

    def close(self) -> None:
        """Closes the idle connections and ends the watch."""
        self._closed.set()
        with self._lock:
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _end_overdue(self) -> None:
        while not self._closed.wait(SECONDS_BETWEEN_CHECKS):
            now = time.monotonic()
            with self._lock:
                for connection, deadline in self._watched.items():
                    if now >= deadline:
                        connection.end()
