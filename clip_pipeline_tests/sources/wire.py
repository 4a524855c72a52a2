"""A server on loopback that sends bytes as a test writes them, proper HTTP or not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Wire:
    """The server. requests: the head of each request, in the order they came. sent: bytes sent in all."""

    def __init__(self, port: int):
        self.port = port
        self.requests: list[bytes] = []
        self.connections = 0
        self.sent = 0

    def hosts(self, *names: str) -> dict[str, tuple[str, int]]:
        return {name: ("127.0.0.1", self.port) for name in names}


Answering = Callable[[bytes, Callable[[bytes], None]], bool]
"""Given the head of a request and a way to send bytes, whether the connection stays open afterwards."""


@contextmanager
def wire(answering: Answering | bytes) -> Iterator[Wire]:
    """Serves until the block ends. answering: what to do with a request, or the bytes to send before closing."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = Wire(listener.getsockname()[1])
    open_sockets: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        def send(data: bytes) -> None:
            connection.sendall(data)
            running.sent += len(data)

        with connection, contextlib.suppress(OSError):
            stays_open = True
            while stays_open:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    piece = connection.recv(65_536)
                    if not piece:
                        return
                    head += piece
                running.requests.append(head)
                if isinstance(answering, bytes):
                    send(answering)
                    stays_open = False
                else:
                    stays_open = answering(head, send)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                running.connections += 1
                open_sockets.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield running
    finally:
        for one in (listener, *open_sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
