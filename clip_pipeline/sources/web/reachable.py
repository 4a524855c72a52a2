"""Whether a host answers at all, so that a program without network says so at once instead of after a minute of retries."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

SECONDS = 3.0
PORTS = {"http": 80, "https": 443}


def is_reachable(address: str, seconds: float = SECONDS) -> bool:
    """Whether a connection to the host of an http address can be opened; nothing is sent.

    Behind a proxy nobody but the proxy can know, so the answer is yes and the request itself will tell.
    """
    parts = urlsplit(address)
    if not parts.hostname:
        return False
    if parts.scheme in getproxies():
        return True
    try:
        with socket.create_connection((parts.hostname, parts.port or PORTS.get(parts.scheme, 443)), timeout=seconds):
            return True
    except OSError:
        return False
