"""What every request to an API or a mirror has in common: who asks, where names lead, time limits, few redirects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import SourceError
from clip_pipeline.version import __version__

if TYPE_CHECKING:
    import requests

Hosts = Mapping[str, tuple[str, int]]
"""Name -> (address, port) that stands in for it. A name in here may lead to loopback; no other may."""

TIMEOUT_SECONDS = (10.0, 60.0)
"""For a connection, and for the silence between two pieces of a response."""

MAX_REDIRECTS = 10


def user_agent(contact: str) -> str:
    """`clip_pipeline/0.2.0 (+contact)`: honest, and with a way to reach whoever runs it. Header-safe."""
    name = f"clip_pipeline/{__version__}"
    address = " ".join(contact.encode("ascii", "ignore").decode().split())
    return f"{name} (+{address})" if address else name


def http_session(
    contact: str, hosts: Hosts, timeout_seconds: tuple[float, float] = TIMEOUT_SECONDS
) -> requests.Session:
    """A session for an API or a mirror that the user named: says who asks, has time limits, follows few redirects, and
    reaches the names in `hosts` at their stand-in addresses.

    Host header, TLS name and the url of the response stay those of the name. A proxy of the environment is used only when
    `hosts` is empty. Redirects in a circle or to something that is no web address raise SourceError; other failures are
    those of requests. timeout_seconds: for a connection, and for the silence between two pieces of a response.
    """
    import requests
    from requests.adapters import HTTPAdapter

    connection_pools = _standing_in_pools(dict(hosts))

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = connection_pools

        def send(self, request: Any, stream: Any = False, timeout: Any = None, *arguments: Any, **options: Any) -> Any:
            response = super().send(request, stream, timeout or timeout_seconds, *arguments, **options)
            if response.is_redirect:  # requests would read its whole body, however long, to keep the connection
                response.raw.close()
            return response

    class Session(requests.Session):
        def request(self, method: Any, url: Any, *arguments: Any, **options: Any) -> requests.Response:
            try:
                return super().request(method, url, *arguments, **options)
            except (ValueError, requests.TooManyRedirects) as error:  # a ValueError for every kind of bad url
                raise SourceError(
                    f"{url} leads to no web address, or through more than {MAX_REDIRECTS} of them "
                    f"({type(error).__name__}). Check the address."
                ) from error

    session = Session()
    session.max_redirects = MAX_REDIRECTS
    session.headers["User-Agent"] = user_agent(contact)
    session.trust_env = not hosts
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    return session


def _standing_in_pools(hosts: Hosts) -> dict[str, Any]:
    """urllib3 pools, by scheme, whose connections look into `hosts` before they resolve a name."""
    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
    from urllib3.util.connection import create_connection

    def stand_in(base: type) -> type:
        class Connection(base):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> Any:
                if self.host not in hosts:
                    return super()._new_conn()
                try:
                    return create_connection(hosts[self.host], self.timeout, socket_options=self.socket_options)
                except TimeoutError as error:
                    raise ConnectTimeoutError(self, f"No connection to {self.host} in time") from error
                except OSError as error:
                    raise NewConnectionError(self, f"No connection to {self.host}: {error}") from error

        return Connection

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = stand_in(HTTPConnection)

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = stand_in(HTTPSConnection)

    return {"http": Pool, "https": SecurePool}
