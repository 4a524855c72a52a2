"""A stranger's url, taken apart once, in the characters that a request may hold."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urljoin, urlsplit

RESIZING_HOSTS = ("images.unsplash.com", "images.sandbox.test")
MAX_CHARACTERS = 16_384
MAX_NAME_CHARACTERS, MAX_LABEL_CHARACTERS = 253, 63
NO_NAME = "the url makes no sense: no such host name can be"
DEFAULT_PORTS = {"http": 80, "https": 443}

AROUND = "".join(map(chr, range(0x21))) + "\u00a0\u200b\u200e\u200f\u2028\u2029\ufeff"
"""Around a url: what the WHATWG's standard strips (controls and spaces), and the invisible signs that lists bring along."""

INSIDE = dict.fromkeys(map(ord, "\t\r\n"))
"""Inside of a url the standard removes tabs and line ends."""

SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Left as they are when a url is brought into the characters that a request may hold."""

CLEAN = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*")
HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,252})?")

OTHER_PROTOCOLS = frozenset(
    [1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110]
    + [111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531]
    + [532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060]
    + [5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211]
)
"""Ports of mail, chat, databases and the like, where a request of ours would be an abuse: the "bad ports" of the Fetch
standard (fetch.spec.whatwg.org), and those of two key-value stores."""

Site = tuple[str, str, int]
"""Scheme, name and port: connections and robots.txt belong to one."""


class UrlError(Exception):
    """A url that is not asked for; `status` is one of records.PHOTO_STATUSES."""

    def __init__(self, status: str, message: str):
        super().__init__(message)
        self.status = status


class WebUrl(NamedTuple):
    """A url that may be asked for. host: lower-case name or address, without brackets. target: path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def site(self) -> Site:
        return self[:3]

    @property
    def authority(self) -> str:
        """What the Host header says."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: str) -> WebUrl:
    """Takes a url apart; name and password in it are dropped, they are never sent. Raises UrlError."""
    if len(text) > MAX_CHARACTERS:
        raise UrlError("connection_error", f"the url is longer than {MAX_CHARACTERS:,} characters")
    try:
        parts = urlsplit(_clean(text))
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UrlError("connection_error", "the url makes no sense") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise UrlError("forbidden_scheme", f'the scheme is "{parts.scheme[:20]}", expected http or https')
    if not host:
        raise UrlError("connection_error", "the url names no host")
    if port is None:
        port = DEFAULT_PORTS[parts.scheme]
    elif port == 0:
        raise UrlError("connection_error", "the url makes no sense: port 0")
    elif port in OTHER_PROTOCOLS:
        raise UrlError("forbidden_address", f"port {port} belongs to another protocol than HTTP")
    if "%" in host and ":" not in host:
        host = _ascii_name(_percent_decoded(host))
    if not HOST.fullmatch(host):
        host = _ipv6_address(host)
    elif host[-1] == ".":  # the name is complete; certificates and robots.txt know it without the dot
        host = host.rstrip(".")
    return WebUrl(parts.scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def follow(url: WebUrl, location: str) -> WebUrl:
    """Where a redirect from `url` leads. Raises UrlError, also for one that gives up TLS."""
    try:
        joined = urljoin(str(url), _clean(location[: MAX_CHARACTERS + 1]))
    except ValueError as error:
        raise UrlError("connection_error", "the url makes no sense") from error
    target = parse_url(joined)
    if url.scheme == "https" and target.scheme == "http":
        raise UrlError("forbidden_scheme", "a redirect leads from https to http")
    return target


def location_text(content: bytes) -> str:
    """The field Location as text. Bytes beyond ASCII are UTF-8 nearly always; others go back to their server as they came."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % byte[0][0], content).decode("ascii")


def with_width(url: WebUrl, width: int) -> WebUrl:
    """The url with the wanted width in pixels, where the server can resize; 0 leaves it as it is."""
    if width == 0 or url.host not in RESIZING_HOSTS:
        return url
    path, _, query = url.target.partition("?")
    asked = {"w": str(width), "fit": "max", "fm": "jpg", "q": "80"}
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in (*asked, "h")]
    return url._replace(target=f"{path}?{urlencode([*kept, *asked.items()])}")


def _clean(url: str) -> str:
    """The url in characters that a request may hold; names beyond ASCII as `_ascii_name` writes them."""
    url = url.strip(AROUND).translate(INSIDE)
    if CLEAN.fullmatch(url):
        return url
    if not url.isascii():
        parts = urlsplit(url)
        user, at, place = parts.netloc.rpartition("@")
        if not place.isascii():
            name, colon, port = place.partition(":")
            url = parts._replace(netloc=f"{user}{at}{_ascii_name(name)}{colon}{port}").geturl()
    return quote(url, safe=SAFE)


def _percent_decoded(host: str) -> str:
    """m%C3%BCnchen.de as browsers read it. Raises UrlError for bytes that are no UTF-8."""
    try:
        return unquote(host, errors="strict")
    except UnicodeDecodeError as error:
        raise UrlError("connection_error", NO_NAME) from error


def _ascii_name(name: str) -> str:
    """A host name beyond ASCII as a browser asks for it: UTS #46 without the transitional mappings, then Punycode.

    So faß.de is xn--fa-hia.de and not fass.de, which is another site (Python's own `idna` is the standard of 2003), and
    ☃.net can be reached, which IDNA 2008 alone forbids. Raises UrlError for characters that no name may hold.
    """
    import idna

    if len(name) > MAX_NAME_CHARACTERS:
        raise UrlError("connection_error", NO_NAME)
    try:
        mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise UrlError("connection_error", NO_NAME) from error
    labels = [
        label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}" for label in mapped.split(".")
    ]
    if any(len(label) > MAX_LABEL_CHARACTERS for label in labels):
        raise UrlError("connection_error", NO_NAME)
    return ".".join(labels)


def _ipv6_address(host: str) -> str:
    # A zone (fe80::1%eth0) names a network card of this machine, which no stranger has a say in.
    if "%" not in host:
        with contextlib.suppress(ValueError):
            return str(ipaddress.IPv6Address(host))
    raise UrlError("connection_error", NO_NAME)
