"""One file of a stranger's server: which address, over which connection, how long, how much, and how often to try.

Everything that comes of a url in a list goes this way, photos and robots.txt alike.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from clip_pipeline.settings import DownloadSettings
from clip_pipeline.sources.web.addresses import AddressBook, Endpoint, ForbiddenAddress, UnknownName
from clip_pipeline.sources.web.api_session import MAX_REDIRECTS, Hosts, user_agent
from clip_pipeline.sources.web.connections import Connection, Connections
from clip_pipeline.sources.web.host_limits import HostLimits
from clip_pipeline.sources.web.http_headers import HttpHeaders, ResponseError
from clip_pipeline.sources.web.http_response import BodyTooLong, NoResponse, TruncatedResponse, unpacked
from clip_pipeline.sources.web.retries import Retries, may_pass, retry_after_seconds
from clip_pipeline.sources.web.urls import UrlError, WebUrl, follow, location_text, with_width

REDIRECTS = (301, 302, 303, 307, 308)
SMALL_BODY_BYTES = 65_536
"""A body that nobody wants is read up to here, which keeps the connection."""


CUT_ONCE = "the connection ended before all announced bytes came"
"""Of an answer that was cut once, or each time elsewhere, as when the server dies; `http_response.CUT` is of one cut at the same byte."""


class Failure(Exception):
    """Why a file cannot be had. status: one of records.PHOTO_STATUSES. The text is the same in every run.

    again: whether another try may help. wait_seconds: what the server asked for before it. http_status: of the response. cut_at: bytes
    of the body that came where it was cut, else -1.
    """

    def __init__(
        self,
        status: str,
        message: str,
        again: bool = False,
        wait_seconds: float | None = None,
        http_status: int | None = None,
        cut_at: int = -1,
    ):
        super().__init__(message)
        self.status, self.again, self.wait_seconds, self.http_status = status, again, wait_seconds, http_status
        self.cut_at = cut_at


def _always(url: WebUrl) -> float:
    return 0.0


def _anything(head: HttpHeaders) -> None:
    return None


@dataclass(frozen=True)
class Request:
    """What is wanted of a url.

    accept: the field of that name. max_bytes: longest body taken; beginning: of a longer one that much is taken.
    width: asked of servers that can resize, in pixels. permit: called before each request, gives the seconds that the host
    wants between two; check: called with the head before the body is read. Both raise Failure to forbid it.
    """

    accept: str
    max_bytes: int
    beginning: bool = False
    width: int = 0
    permit: Callable[[WebUrl], float] = _always
    check: Callable[[HttpHeaders], None] = _anything


class _Allowance:
    """The time that is left for one file. deadline: on the monotonic clock."""

    __slots__ = ("deadline",)

    def __init__(self, seconds: float):
        self.deadline = monotonic() + seconds

    def left(self) -> float:
        return self.deadline - monotonic()


class WebClient:
    """Gets files; safe to use from many threads.

    hosts: names that stand for an address of ours, the only way to loopback.

    The deadline counts all time spent on a file's requests, redirects and further tries included. Waiting for a turn at
    the host does not count, nor does a pause that a server asks for with Retry-After, which may be as long as the deadline.
    """

    def __init__(self, settings: DownloadSettings, hosts: Hosts):
        self._settings = settings
        self._addresses = AddressBook(hosts)
        # Half the deadline without a byte leaves the other half for another try.
        self._connections = Connections(settings.connections, silence=settings.deadline / 2)
        self._host_limits = HostLimits(settings.connections_per_host, settings.host_rate, settings.deadline)
        self._agent = user_agent(settings.contact)

    def close(self) -> None:
        """Closes the connections; pauses end at once."""
        self._host_limits.close()
        self._connections.close()

    def get(self, url: WebUrl, request: Request) -> bytes:
        """The file behind a url. Raises Failure after the last try."""
        seconds_left = self._settings.deadline
        retries = Retries(str(url), self._settings.retries + 1)
        cuts = []
        while True:
            allowance = _Allowance(seconds_left)
            try:
                return self._get_following_redirects(url, request, allowance)
            except Failure as failure:
                seconds_left = allowance.left()
                cuts.append(failure.cut_at)
                pause = retries.next_pause(str(failure), failure.wait_seconds) if failure.again else None
                if pause is not None and not failure.wait_seconds:
                    seconds_left -= pause
                if pause is None or seconds_left <= 0 or not self._host_limits.pause(pause):
                    if failure.cut_at >= 0 and not _is_cut_there(cuts):
                        raise Failure(failure.status, CUT_ONCE) from failure
                    raise

    def _get_following_redirects(self, url: WebUrl, request: Request, allowance: _Allowance) -> bytes:
        url = with_width(url, request.width)
        seen = [url]
        try:
            while True:
                content, head = self._get_once(url, request, allowance)
                if content is not None:
                    return content
                url = with_width(follow(url, self._location(url, head)), request.width)
                if url in seen:
                    raise Failure("http_error", "the redirects lead in a circle", http_status=head.status)
                if len(seen) > MAX_REDIRECTS:
                    raise Failure("http_error", f"more than {MAX_REDIRECTS} redirects", http_status=head.status)
                seen.append(url)
        except UrlError as error:
            raise Failure(error.status, str(error)) from error

    def _get_once(self, url: WebUrl, request: Request, allowance: _Allowance) -> tuple[bytes | None, HttpHeaders]:
        """One request at the host's convenience: the body, None for a status without one. Raises Failure."""
        try:
            endpoints = self._addresses.find(url.host, url.port, allowance.left())
            asked = monotonic()
            spacing = request.permit(url)
            allowance.deadline += monotonic() - asked
            waited = self._host_limits.enter(url.host, spacing)
            if waited is None:
                raise self._pause_is_too_long()
            allowance.deadline += waited
            try:
                return self._send(url, endpoints, request, allowance.deadline)
            finally:
                self._host_limits.leave(url.host)
        except ForbiddenAddress as error:
            raise Failure("forbidden_address", str(error)) from error
        except UnknownName as error:
            raise Failure("connection_error", str(error)) from error
        except BodyTooLong as error:
            raise Failure("too_many_bytes", _size_sentence(error.announced, request.max_bytes)) from error
        except TruncatedResponse as error:
            raise Failure("connection_error", str(error), again=True, cut_at=error.came) from error
        except ResponseError as error:
            raise Failure("connection_error", str(error), again=True) from error
        except ssl.SSLCertVerificationError as error:
            raise Failure("connection_error", f"the certificate is not valid: {error.verify_message}") from error
        except OSError as error:
            if isinstance(error, TimeoutError) or allowance.left() <= 0:
                message = f"no complete answer in time (deadline {self._settings.deadline:g} s)"
                raise Failure("timeout", message, again=True) from error
            raise Failure("connection_error", _what_broke(error), again=True) from error

    def _send(
        self, url: WebUrl, endpoints: list[Endpoint], request: Request, deadline: float
    ) -> tuple[bytes | None, HttpHeaders]:
        message = (
            f"GET {url.target} HTTP/1.1\r\nHost: {url.authority}\r\nUser-Agent: {self._agent}\r\n"
            f"Accept: {request.accept}\r\nAccept-Encoding: identity\r\n\r\n"
        ).encode("ascii")
        connection = self._connections.take(url.site, endpoints)
        while True:
            try:
                return self._send_over(connection, message, url, request, deadline)
            except (ConnectionError, NoResponse):
                # The server may close an idle connection at any time; that says nothing about the photo.
                if not connection.used or monotonic() >= deadline:
                    raise
                connection = connection.renewed()

    def _send_over(
        self, connection: Connection, message: bytes, url: WebUrl, request: Request, deadline: float
    ) -> tuple[bytes | None, HttpHeaders]:
        """One request and its response, and the connection back to its place."""
        whole, content = False, None
        try:
            head = connection.send(message, deadline)
            if head.is_whole:
                request.check(head)
                content = _read_body(connection, head, request)
                whole = head.stays_open
            elif head.stays_open and 0 <= head.length <= SMALL_BODY_BYTES:
                connection.read_body(head, SMALL_BODY_BYTES)
                whole = True
        finally:
            if whole:
                self._connections.give_back(connection)
            else:
                connection.close()
        return content, head

    def _location(self, url: WebUrl, head: HttpHeaders) -> str:
        """Where a response without a photo leads. Raises Failure where it leads nowhere."""
        status = head.status
        if status in REDIRECTS and (locations := head.fields.get("location")):
            return location_text(locations[0].encode("latin-1"))
        if status in (404, 410):
            raise Failure("not_found", f"HTTP {status}", http_status=status)
        wait_seconds = retry_after_seconds(head, time.time()) if status in (429, 503) else None
        if wait_seconds is not None:
            self._host_limits.quiet(url.host, wait_seconds)
            if wait_seconds > self._settings.deadline:
                raise self._pause_is_too_long()
        raise Failure("http_error", f"HTTP {status}", may_pass(status), wait_seconds, status)

    def _pause_is_too_long(self) -> Failure:
        # The same text for the photo that was sent away and for those that were not even asked for: which one is which
        # depends on which came first.
        message = f"the server asks for a longer pause than the deadline of {self._settings.deadline:g} s"
        return Failure("http_error", message, http_status=429)


def _is_cut_there(cuts: list[int]) -> bool:
    """Whether all tries, of which there are several, were cut at the same byte: then it is the file, not the connection. Not before its
    first byte: so ends an answer whose server lost what stands behind it."""
    return len(cuts) > 1 and cuts[0] > 0 and len(set(cuts)) == 1


def _read_body(connection: Connection, head: HttpHeaders, request: Request) -> bytes:
    max_bytes = request.max_bytes
    if not request.beginning:
        return unpacked(head, connection.read_body(head, max_bytes), max_bytes)
    try:
        return unpacked(head, connection.read_beginning(head, max_bytes), max_bytes)
    except BodyTooLong as error:
        return bytes(error.beginning[:max_bytes])


def _size_sentence(announced: int | None, max_bytes: int) -> str:
    return (
        f"more than {max_bytes:,} bytes"
        if announced is None
        else f"{announced:,} bytes, the most taken is {max_bytes:,}"
    )


def _what_broke(error: OSError) -> str:
    """A text that is the same in every run: it lies in the shard's table, whose bytes must not change."""
    if isinstance(error, ConnectionError):
        return "the connection was refused or broke"
    if isinstance(error, ssl.SSLError):
        return "no TLS connection came about"
    if isinstance(error, socket.gaierror):
        return "the name could not be looked up for now"
    return "the address cannot be reached"
