"""One photo by its url, from a stranger's server or the user's own folder, whatever comes back.

A photo that cannot be had is no exception: it is a `Fetched` with a status and a reason.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urljoin, urlsplit

from clip_pipeline.recipes import DownloadSettings
from clip_pipeline.sources.addresses import AddressBook, ForbiddenAddress, UnknownName
from clip_pipeline.sources.connections import Connection, Connections
from clip_pipeline.sources.http import Hosts, backoff_seconds, may_pass, retry_after_seconds, user_agent
from clip_pipeline.sources.own_files import OwnFileError, OwnFiles

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
RESIZING_HOSTS = ("images.unsplash.com", "images.sandbox.test")
SMALL_BODY_BYTES = 65_536
READ_BYTES = 1 << 16
URL_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Left as they are when a url is brought into the characters that a request may hold."""


@dataclass(frozen=True)
class Fetched:
    """What came of one url: a status of records.PHOTO_STATUSES; `content` is there when it is success, else a reason."""

    status: str
    content: bytes | None = None
    error_message: str | None = None


class _Failure(Exception):
    """Ends a try. wait_seconds: what the server asked for before another; again: whether another may help."""

    def __init__(self, status: str, message: str, again: bool = False, wait_seconds: float | None = None):
        super().__init__(message)
        self.status, self.again, self.wait_seconds = status, again, wait_seconds


class PhotoFetcher:
    """Fetches photos over kept-alive connections; safe to use from many threads, closed by `with`.

    hosts: names that stand for an address of ours, the only way to loopback. root: the folder (or the one tar) that
    `file:NAME` and `tar:TAR#KEY` urls may read; without it they are refused.

    The deadline counts all time spent on a photo's requests, redirects and further tries included. A pause that a
    server asks for with Retry-After counts apart, and may be as long as the deadline.
    """

    def __init__(self, settings: DownloadSettings, hosts: Hosts, root: Path | None = None):
        self._settings = settings
        self._addresses = AddressBook(hosts)
        self._connections = Connections(settings.connections)
        self._own_files = OwnFiles(Path(root), settings.max_bytes) if root is not None else None
        self._headers = {
            "User-Agent": user_agent(settings.contact),
            "Accept": "image/*, */*;q=0.5",
            "Accept-Encoding": "identity",
        }
        self._generator = random.Random()
        self._quiet_until: dict[str, float] = {}
        self._closing = threading.Event()

    def __enter__(self) -> PhotoFetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; pauses end at once."""
        self._closing.set()
        self._connections.close()

    def fetch(self, url: str) -> Fetched:
        """The bytes behind a url, or why there are none. Does not look into the bytes."""
        if url.startswith(("file:", "tar:")) and self._own_files is not None:
            try:
                return Fetched("success", self._own_files.read(url))
            except OwnFileError as failure:
                return Fetched(failure.status, None, str(failure))
        seconds_left = self._settings.deadline
        for attempt in range(self._settings.retries + 1):
            if self._quiet_until and not self._wait_for_quiet_to_end(url):
                return Fetched("http_error", None, "the server asked for a longer pause than the deadline")
            started = time.monotonic()
            try:
                return Fetched("success", self._fetch_following_redirects(url, started + seconds_left))
            except _Failure as failure:
                seconds_left -= time.monotonic() - started
                pause = failure.wait_seconds
                if pause is None:
                    pause = backoff_seconds(attempt, self._generator)
                    seconds_left -= pause
                last = not failure.again or attempt == self._settings.retries or seconds_left <= 0
                if last or pause > self._settings.deadline or self._closing.wait(pause):
                    return Fetched(failure.status, None, str(failure))
        raise AssertionError("unreachable: the last try returns")

    def _fetch_following_redirects(self, url: str, deadline: float) -> bytes:
        location: str | None = ""
        for _ in range(MOST_REDIRECTS + 1):
            try:
                url = urljoin(url, location) if location else url
                parts = urlsplit(self._sized(_clean(url)))
                port = parts.port
            except ValueError as error:
                raise _Failure("connection_error", f"the url makes no sense: {error}") from error
            content, location = self._fetch_one(parts, port, deadline)
            if location is None:
                return content
        raise _Failure("http_error", f"more than {MOST_REDIRECTS} redirects")

    def _sized(self, url: str) -> str:
        """The url with the wanted width, where the server can resize."""
        width = self._settings.request_width
        if width == 0 or not any(host in url for host in RESIZING_HOSTS):
            return url
        parts = urlsplit(url)
        if parts.hostname not in RESIZING_HOSTS:
            return url
        asked = {"w": str(width), "fit": "max", "fm": "jpg", "q": "80"}
        kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in (*asked, "h")]
        return parts._replace(query=urlencode([*kept, *asked.items()])).geturl()

    def _fetch_one(self, parts: SplitResult, port: int | None, deadline: float) -> tuple[bytes, str | None]:
        """(bytes, None), or (b"", where to go on). Raises _Failure."""
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https"):
            raise _Failure("forbidden_scheme", f'the scheme is "{parts.scheme}", expected http or https')
        if not host:
            raise _Failure("connection_error", "the url names no host")
        port = port or (443 if parts.scheme == "https" else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], **self._headers}
        try:
            places = self._addresses.find(host, port, deadline - time.monotonic())
            connection = self._connections.take((parts.scheme, host, port), places)
            while True:
                try:
                    return self._ask(connection, target, headers, deadline)
                except (ConnectionError, http.client.BadStatusLine):
                    # The server may close an idle connection at any time; that says nothing about the photo.
                    if not connection.used or time.monotonic() >= deadline:
                        raise
                    connection = Connection(connection.site, places, connection.context)
        except ForbiddenAddress as error:
            raise _Failure("forbidden_address", str(error)) from error
        except (UnknownName, ssl.SSLCertVerificationError, http.client.InvalidURL) as error:
            raise _Failure("connection_error", str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                raise _Failure(
                    "timeout", f"no complete answer in time (deadline {self._settings.deadline:g} s)", True
                ) from error
            raise _Failure("connection_error", _what_broke(error), True) from error

    def _wait_for_quiet_to_end(self, url: str) -> bool:
        """Waits while the url's server wants no requests; False at once when that is longer than the deadline."""
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            return True
        wait_seconds = self._quiet_until.get(host, 0.0) - time.monotonic()
        if wait_seconds > self._settings.deadline:
            return False
        if wait_seconds > 0:
            self._closing.wait(wait_seconds)
        return True

    def _ask(
        self, connection: Connection, target: str, headers: dict[str, str], deadline: float
    ) -> tuple[bytes, str | None]:
        """One request and its answer, and the connection back to its place."""
        whole = False
        try:
            with self._connections.watched(connection, deadline):
                # Half the deadline without a byte leaves the other half for another try.
                connection.set_silence(max(min(deadline - time.monotonic(), self._settings.deadline / 2), 0.001))
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
                if response.status == 200:
                    content = self._read_body(response)
                    if time.monotonic() >= deadline:
                        raise TimeoutError
                    whole = not response.will_close
                    return content, None
                if (response.length or 0) <= SMALL_BODY_BYTES and not response.will_close and not response.chunked:
                    response.read()
                    whole = True
        finally:
            if whole:
                self._connections.give_back(connection)
            else:
                connection.close()
        return b"", self._location_or_failure(connection.site[1], response)

    def _read_body(self, response: http.client.HTTPResponse) -> bytes:
        most = self._settings.max_bytes
        if response.length is not None:
            if response.length > most:
                raise _Failure("too_many_bytes", f"{response.length:,} bytes, the most taken is {most:,}")
            return response.read()  # raises IncompleteRead when the body is cut
        pieces, total = [], 0
        while piece := response.read(READ_BYTES):
            pieces.append(piece)
            total += len(piece)
            if total > most:
                raise _Failure("too_many_bytes", f"more than {most:,} bytes")
        return b"".join(pieces)

    def _location_or_failure(self, host: str, response: http.client.HTTPResponse) -> str:
        status = response.status
        location = response.getheader("Location")
        if status in REDIRECTS and location:
            # Bytes beyond ASCII are UTF-8 in practice; the standard library reads them as Latin-1.
            return location.encode("latin-1").decode("utf-8", "replace")
        if status in (404, 410):
            raise _Failure("not_found", f"HTTP {status}")
        wait_seconds = retry_after_seconds(response.headers, time.time()) if status in (429, 503) else None
        if wait_seconds is not None:
            self._quiet_until[host] = time.monotonic() + wait_seconds
        raise _Failure("http_error", f"HTTP {status}", may_pass(status), wait_seconds)


def _what_broke(error: Exception) -> str:
    """A text that is the same in every run: it lies in the shard's table, whose bytes must not change."""
    if isinstance(error, http.client.IncompleteRead):
        return "the answer ended before all announced bytes came"
    if isinstance(error, ConnectionError):
        return "the connection was refused or broke"
    return f"no proper answer ({type(error).__name__})"


def _clean(url: str) -> str:
    """The url in characters that a request may hold; names beyond ASCII as IDNA."""
    url = url.strip()
    if url.isascii() and url.isprintable() and " " not in url:
        return url
    host = urlsplit(url).hostname or ""
    if not host.isascii():
        with contextlib.suppress(UnicodeError):  # the quoted name has no address, which the status then says
            url = url.replace(host, host.encode("idna").decode(), 1)
    return quote(url, safe=URL_SAFE)
