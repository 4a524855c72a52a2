"""Kept-alive connections to checked addresses, each wait bounded by the deadline of the request it is for."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from time import monotonic

from clip_pipeline.sources.web.addresses import Endpoint
from clip_pipeline.sources.web.http_headers import HttpHeaders
from clip_pipeline.sources.web.http_response import ResponseReader
from clip_pipeline.sources.web.urls import Site


class Connection:
    """One connection to a site, by way of one of its checked addresses.

    silence: longest wait for the next byte, in seconds. `used` is true once a response came over it. Errors of all
    methods: OSError, of which TimeoutError says that the deadline passed; ResponseError.
    """

    def __init__(self, site: Site, endpoints: list[Endpoint], context: ssl.SSLContext | None, silence: float):
        self.site, self.used = site, False
        self._endpoints, self._context, self._silence = endpoints, context, silence
        self._deadline, self._patience = 0.0, 0.0
        self._socket: socket.socket | None = None
        self._arrivals = select.poll()
        self._reader = ResponseReader(self._receive)

    def send(self, request: bytes, deadline: float) -> HttpHeaders:
        """Sends a request, connecting first where needed; returns the head of its response.

        deadline: on the monotonic clock; it holds for what is read of the response as well.
        """
        self._deadline = deadline
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        self._set_patience()
        self._socket.sendall(request)
        head = self._reader.read_head()
        self.used = True
        return head

    def read_body(self, head: HttpHeaders, max_bytes: int) -> bytes:
        """The body that follows `head`. Raises BodyTooLong above `max_bytes` bytes."""
        return self._reader.read_body(head, max_bytes)

    def read_beginning(self, head: HttpHeaders, max_bytes: int) -> bytes:
        """The first `max_bytes` bytes of the body that follows `head`."""
        return self._reader.read_beginning(head, max_bytes)

    @property
    def is_quiet(self) -> bool:
        """Whether the other side has neither closed nor sent anything since the last response, so that it can be asked again."""
        return self._socket is not None and not self._reader.has_more and not self._arrivals.poll(0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def renewed(self) -> Connection:
        """A new connection to the same site."""
        return Connection(self.site, self._endpoints, self._context, self._silence)

    def _connect(self) -> None:
        """Tries the addresses in turn. Raises the last one's OSError."""
        for left in range(len(self._endpoints), 0, -1):
            try:
                self._connect_to(self._endpoints[-left], (self._deadline - monotonic()) / left)
                break
            except OSError:
                self.close()
                if left == 1 or monotonic() >= self._deadline:
                    raise

    def _connect_to(self, place: Endpoint, seconds: float) -> None:
        # The address is a number: no name is looked up between the check and the connection.
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        plain = self._socket = socket.socket(family, socket.SOCK_STREAM)
        plain.settimeout(max(min(seconds, self._silence), 0.001))
        plain.connect(place)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._patience = 0.0
        if self._context is not None:
            self._set_patience()
            self._socket = self._context.wrap_socket(plain, server_hostname=self.site[1])
        self._arrivals.register(self._socket, select.POLLIN)

    def _set_patience(self) -> None:
        """Limits the next wait to the silence allowed and to the time that is left. Raises TimeoutError without any."""
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        wanted = left if left < self._silence else self._silence
        if wanted != self._patience:  # to set it costs a call into the kernel
            assert self._socket is not None
            self._socket.settimeout(wanted)
            self._patience = wanted

    def _receive(self, max_bytes: int) -> bytes:
        # One byte a moment must not outlive the deadline, so the time is looked at before each piece.
        self._set_patience()
        assert self._socket is not None
        return self._socket.recv(max_bytes)


class Connections:
    """Idle connections by site; safe to use from many threads.

    max_idle: connections kept. silence: as of Connection.
    """

    def __init__(self, max_idle: int, silence: float):
        self._idle: dict[Site, list[Connection]] = {}  # the site that was used last comes last
        self._idle_count, self._max_idle, self._silence = 0, max_idle, silence
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._closed = False

    def take(self, site: Site, endpoints: list[Endpoint]) -> Connection:
        """An idle connection of the site, or a new one that is not connected yet."""
        while (idle := self._take_idle(site)) is not None:
            if idle.is_quiet:
                return idle
            idle.close()
        return Connection(site, endpoints, self._tls() if site[0] == "https" else None, self._silence)

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection whose last response was read to its end."""
        with self._lock:
            excess: Connection | None = connection
            if not self._closed:
                idle = self._idle.pop(connection.site, [])
                self._idle[connection.site] = idle
                idle.append(connection)
                self._idle_count += 1
                excess = self._take_oldest_beyond_limit()
        if excess is not None:
            excess.close()

    def close(self) -> None:
        """Closes the idle connections; those in use are closed when they come back."""
        with self._lock:
            self._closed = True
            kept = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
            self._idle_count = 0
        for connection in kept:
            connection.close()

    def _take_idle(self, site: Site) -> Connection | None:
        with self._lock:
            idle = self._idle.get(site)
            if not idle:
                return None
            self._idle_count -= 1
            return idle.pop()

    def _take_oldest_beyond_limit(self) -> Connection | None:
        while self._idle_count > self._max_idle:
            site, idle = next(iter(self._idle.items()))
            if idle:
                self._idle_count -= 1
                return idle.pop(0)
            del self._idle[site]
        return None

    def _tls(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context
