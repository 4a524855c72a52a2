"""Names to addresses, and which addresses a stranger's url may lead to."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
import time

from clip_pipeline.sources.http import Hosts

SECONDS_KEPT = 60.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Place = tuple[str, int]

NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddress(Exception):
    """A name leads nowhere on the public internet."""


class UnknownName(Exception):
    """A name has no address."""


class AddressBook:
    """Checked addresses of names, each asked for once a minute; safe to use from many threads.

    A connection goes to the address that was checked, so a name that changes its mind in between gains nothing.
    """

    def __init__(self, hosts: Hosts):
        self._hosts = {name.lower(): place for name, place in hosts.items()}
        self._kept: dict[Place, tuple[float, list[Place]]] = {}

    def find(self, name: str, port: int, seconds: float) -> list[Place]:
        """(address, port) to try in turn. Raises ForbiddenAddress, UnknownName, TimeoutError after `seconds`."""
        stand_in = self._hosts.get(name)
        if stand_in is not None:
            return [stand_in]
        kept = self._kept.get((name, port))
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        found = _resolve(name, port, seconds)
        public = [place for place in found if is_public(place[0])]
        if not public:
            raise ForbiddenAddress(f"{name} leads to {found[0][0]}, which is not on the public internet")
        self._kept[name, port] = (time.monotonic() + SECONDS_KEPT, public)
        return public


def is_public(text: str) -> bool:
    """Whether an address is a single machine's on the public internet, also when it wraps an IPv4 address."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return isinstance(address, ipaddress.IPv6Address) and address in NAT64 and _wrapped_is_public(address)
    return not isinstance(address, ipaddress.IPv6Address) or _wrapped_is_public(address)


def _wrapped_is_public(address: ipaddress.IPv6Address) -> bool:
    """Of the IPv4 addresses that an IPv6 address may stand for (mapped, 6to4, Teredo, NAT64): all are public."""
    wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return all(is_public(str(inner)) for inner in wrapped if inner is not None)


def _resolve(name: str, port: int, seconds: float) -> list[Place]:
    # The system's resolver knows no time limit of ours, so it works in a thread that we stop waiting for.
    answers: queue.SimpleQueue[list[Place] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            answers.put([(str(entry[4][0]), port) for entry in found])
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="resolve").start()
    try:
        answer = answers.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        raise TimeoutError(f"no address for {name} in time") from None
    if isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN:
        raise answer  # an OSError: the resolver itself had a trouble that may pass
    if isinstance(answer, Exception):
        raise UnknownName(f"{name} has no address ({answer})")
    if not answer:
        raise UnknownName(f"{name} has no address")
    return answer
