"""A port of this machine: whether it is free, and whether somebody answers there."""

from __future__ import annotations

import errno
import socket

SECONDS = 1.0


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there. A port that another server left a moment ago is free. Raises OSError for what is no
    address of this machine."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def answers(host: str, port: int) -> bool:
    """Whether a connection can be opened."""
    try:
        with socket.create_connection((host, port), timeout=SECONDS):
            return True
    except OSError:
        return False
