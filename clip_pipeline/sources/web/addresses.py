"""Names to addresses, and which addresses a stranger's url may lead to."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time

from clip_pipeline.sources.web.api_session import Hosts

SECONDS_KEPT = 60.0
SECONDS_TROUBLE_KEPT = 1.0
"""Of the resolver itself, such as no answer from a name server."""

WITNESS = "a.root-servers.net"
"""A name that is there wherever the internet's names can be looked up. Asked for only while no name of the list was found."""

NO_ADDRESS = "no address exists for "
"""How the text of UnknownName begins. It lies in the tables of shards, where it tells a final answer from a trouble."""

MAX_NAMES = 100_000
MAX_ADDRESSES_TRIED = 4

NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Endpoint = tuple[str, int]

NAT64 = ipaddress.ip_network("64:ff9b::/96")


class ForbiddenAddress(Exception):
    """A name leads nowhere on the public internet."""


class UnknownName(Exception):
    """A name has no address, although other names have theirs: the name servers' word, which is final."""

    def __init__(self, name: str):
        super().__init__(f"{NO_ADDRESS}{name}")


class _Lookup:
    """What the resolver says of one name. known: set once it has said it. until: on the monotonic clock."""

    __slots__ = ("addresses", "error", "known", "until")

    def __init__(self) -> None:
        self.known = threading.Event()
        self.addresses: list[str] = []
        self.error: Exception | None = None
        self.until = float("inf")


class AddressBook:
    """Checked addresses of names, each asked for once a minute, refusals as well; safe to use from many threads.

    A connection goes to the address that was checked, so a name that changes its mind in between gains nothing.

    Resolvers say "no such name" of their own troubles too, as where there is no network. So it is believed while a name that is known to
    exist is found: one of the list, the last that was found, else WITNESS. Otherwise it is a trouble that may pass.

    hosts: names that stand for an address of ours. seconds_kept: what is found is not asked for again for so long;
    seconds_trouble_kept: a trouble of the resolver itself. max_names: remembered at a time.
    """

    def __init__(
        self,
        hosts: Hosts,
        *,
        seconds_kept: float = SECONDS_KEPT,
        seconds_trouble_kept: float = SECONDS_TROUBLE_KEPT,
        max_names: int = MAX_NAMES,
    ):
        self._seconds_kept, self._seconds_trouble_kept, self._max_names = seconds_kept, seconds_trouble_kept, max_names
        self._hosts = {name.lower(): place for name, place in hosts.items()}
        self._kept: dict[str, _Lookup] = {}
        self._witness, self._seen_until, self._names_are_found = WITNESS, 0.0, False
        self._witness_lock = threading.Lock()
        self._lock = threading.Lock()

    def find(self, name: str, port: int, seconds: float) -> list[Endpoint]:
        """(address, port) to try in turn. Raises ForbiddenAddress, UnknownName, OSError of the resolver, TimeoutError after
        `seconds`."""
        stand_in = self._hosts.get(name)
        if stand_in is not None:
            return [stand_in]
        lookup = self._kept.get(name)
        if lookup is None or lookup.until < time.monotonic():
            lookup = self._ask(name)
        # The system's resolver knows no time limit of ours, so it works in a thread that we stop waiting for.
        if not lookup.known.wait(max(seconds, 0.001)):
            raise TimeoutError(f"no address for {name} in time")
        if lookup.error is not None:
            raise UnknownName(name) if isinstance(lookup.error, UnknownName) else type(lookup.error)(*lookup.error.args)
        return [(address, port) for address in lookup.addresses]

    def _ask(self, name: str) -> _Lookup:
        """The lookup of a name, which is being looked for at least; threads that want the same name share one."""
        with self._lock:
            lookup = self._kept.get(name)
            now = time.monotonic()
            if lookup is not None and lookup.until >= now:
                return lookup
            if len(self._kept) >= self._max_names:
                self._kept = {name: kept for name, kept in self._kept.items() if kept.until >= now}
            lookup = self._kept[name] = _Lookup()
        threading.Thread(target=self._resolve, args=(name, lookup), daemon=True, name="resolve").start()
        return lookup

    def _resolve(self, name: str, lookup: _Lookup) -> None:
        """Fills the lookup; never raises."""
        kept = self._seconds_kept
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            public = [address for address in addresses if is_public(address)]
            lookup.addresses = public[:MAX_ADDRESSES_TRIED]
            if not public:
                # The smallest: a name server may give them in another order each time.
                lookup.error = (
                    ForbiddenAddress(f"{name} leads to {min(addresses)}, which is not on the public internet")
                    if addresses
                    else UnknownName(name)
                )
            elif not is_address(name):
                self._witness = name
        except UnicodeError:
            lookup.error = UnknownName(name)
        except OSError as error:
            if isinstance(error, socket.gaierror) and error.errno in NO_SUCH_NAME and self._names_found():
                lookup.error = UnknownName(name)
            else:
                lookup.error, kept = error, self._seconds_trouble_kept
        finally:
            lookup.until = time.monotonic() + kept
            lookup.known.set()

    def _names_found(self) -> bool:
        """Whether a name that exists is found now, asked for at most once in `seconds_trouble_kept`."""
        with self._witness_lock:
            if time.monotonic() >= self._seen_until:
                try:
                    self._names_are_found = bool(socket.getaddrinfo(self._witness, None, type=socket.SOCK_STREAM))
                except (OSError, UnicodeError):
                    self._names_are_found = False
                self._seen_until = time.monotonic() + self._seconds_trouble_kept
            return self._names_are_found


def is_address(text: str) -> bool:
    """Whether a url's host is an address itself, so that nobody is asked for it."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Whether an address is a single machine's on the public internet, also when it wraps an IPv4 address."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and (address in NAT64 or address.sixtofour is not None):
        return _wrapped_is_public(address)  # whether such blocks are global themselves differs from Python to Python
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not isinstance(address, ipaddress.IPv6Address) or _wrapped_is_public(address)


def _wrapped_is_public(address: ipaddress.IPv6Address) -> bool:
    """Of the IPv4 addresses that an IPv6 address may stand for (mapped, 6to4, Teredo, NAT64): all are public."""
    wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return all(is_public(str(inner)) for inner in wrapped if inner is not None)
