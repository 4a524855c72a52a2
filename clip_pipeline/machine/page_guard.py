"""Which requests a page on this machine answers: its own, and those of programs here, but those of no other page in the browser.

A browser sends to 127.0.0.1 whatever any page asks it to. It says where from (Origin, Sec-Fetch-Site), and by which name it asked (Host),
which is somebody else's where a name was made to lead here (DNS rebinding). So names are known ones, foreign origins are refused, and what
changes something is a POST of JSON, which no form, link or image can send.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
ANY_ADDRESS = ("0.0.0.0", "::")

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_LENGTH_DIGITS = 15

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_.-]{1,253}))(?::([0-9]{1,5}))?", re.ASCII)
ORIGIN = re.compile(r"(https?)://(.+)", re.ASCII)
ONCE = frozenset(
    (b"host", b"origin", b"content-type", b"content-length", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")
)

SAFE_METHODS = ("GET", "HEAD")
SHOWN_SIGNS = 60
MAX_CLOSE_LETTERS = 120
READ_ONLY = "This page is read-only: it was started with --read-only."

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """status: of HTTP. sentence: what was found and what to do."""

    status: int
    sentence: str


@dataclass(frozen=True)
class PageRules:
    """What a page answers.

    names: hosts that it may be asked by, besides those of loopback, without ports. query_paths: where a GET would be a question with
    consequences, so that only a POST is answered; the page there itself may be looked at. closed_paths: answered to nobody. changes: whether
    the body of a POST to a query path would change something; it is asked where the page is read-only, and other POSTs are refused then.
    advice: what the owner can do about a name that is not known. max_body_bytes: of a request.
    """

    names: tuple[str, ...] = ()
    query_paths: tuple[str, ...] = ()
    closed_paths: tuple[str, ...] = ()
    read_only: bool = False
    changes: Callable[[bytes], bool] = lambda body: True
    advice: str = "If that is a name of this machine that you use, start the page with --allow-host and the name."
    max_body_bytes: int = MAX_BODY_BYTES


def refuse_host(host: bytes, rules: PageRules) -> Refusal | None:
    """Why a request is not for this server; None where its Host is a name of loopback or one of the rules'."""
    if _is_known(host, rules.names):
        return None
    known = ", ".join((*LOOPBACK_NAMES, *rules.names))
    return Refusal(403, f'This server answers to {known}, and this request is for "{_shown(host)}". {rules.advice}')


@lru_cache(maxsize=64)
def _is_known(host: bytes, names: tuple[str, ...]) -> bool:
    found = split_host(host.decode("latin-1"))
    return found is not None and (_is_loopback(found[0]) or found[0] in {name.lower() for name in names})


def split_host(text: str) -> tuple[str, str] | None:
    """(name in lower case, port or "") of a Host header; None for one that is none."""
    match = HOST.fullmatch(text)
    if match is None:
        return None
    if match[1] is not None:
        try:
            return str(ipaddress.IPv6Address(match[1])), match[3] or ""
        except ValueError:
            return None
    return match[2].lower(), match[3] or ""


def refuse_request(
    method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], rules: PageRules
) -> Refusal | None:
    """Why a request is not answered, its body apart; None where it is."""
    named = _named(headers)
    if isinstance(named, Refusal):
        return named
    if refusal := refuse_origin(method, path, named, rules):
        return refusal
    if _is_at(path, rules.closed_paths):
        return Refusal(403, f"{path[:SHOWN_SIGNS]} is not served here.")
    if method in SAFE_METHODS:
        if _is_at(path, rules.query_paths) and (query or b"text/html" not in named.get(b"accept", b"")):
            return Refusal(405, "Questions are asked by POST with application/json here, never by an address.")
        return None
    if method != "POST":
        return Refusal(
            405,
            f"{_shown(method.encode())} is not answered here: looking is GET, and changing is POST with application/json.",
        )
    kind = named.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        return Refusal(415, f'A POST is application/json here, and this one is "{_shown(kind)}".')
    if rules.read_only and not _is_at(path, rules.query_paths):
        return Refusal(403, READ_ONLY)
    return None


def _named(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes] | Refusal:
    """The headers by their names in lower case."""
    named: dict[bytes, bytes] = {}
    length = 0
    for name, value in headers:
        name = name.lower()
        if name in named and name in ONCE:
            return Refusal(400, f"The header {name.decode()} is there twice, expected once.")
        named[name] = value
        length += len(name) + len(value)
    if length > MAX_HEADER_BYTES:
        return Refusal(431, f"The headers are longer than {MAX_HEADER_BYTES // 1024} kB.")
    return named


def refuse_origin(method: str, path: str, named: Mapping[bytes, bytes], rules: PageRules) -> Refusal | None:
    """Why a request, or a WebSocket, comes from another page, asks for another server, or is too long; None where it is right.

    named: the headers, by names in lower case.
    """
    host, length = named.get(b"host"), named.get(b"content-length", b"")
    if host is None:
        return Refusal(400, "The request names no host, expected a header Host.")
    if length and not (length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        return Refusal(400, "Content-Length is no number of bytes.")
    if length and int(length) > rules.max_body_bytes:
        return _too_long(rules)
    if refusal := refuse_host(host, rules):
        return refusal
    origin, site = named.get(b"origin", b""), named.get(b"sec-fetch-site", b"").lower()
    if origin and not _is_own(origin.decode("latin-1"), host.decode("latin-1")):
        return Refusal(
            403, f'This request comes from the page "{_shown(origin)}". Only pages of this server may ask it.'
        )
    if site in (b"", b"same-origin", b"none"):
        return None
    # a link elsewhere that somebody followed shows the page, and the one with the link sees nothing of it
    opens_page = named.get(b"sec-fetch-mode") == b"navigate" and named.get(b"sec-fetch-dest") == b"document"
    if method in SAFE_METHODS and opens_page and not _is_at(path, rules.query_paths):
        return None
    return Refusal(403, "This request comes from a page of another site. Only pages of this server may ask it.")


def _is_own(origin: str, host: str) -> bool:
    match = ORIGIN.fullmatch(origin)
    theirs, ours = split_host(match[2]) if match else None, split_host(host)
    if match is None or theirs is None or ours is None:
        return False
    port = {"http": "80", "https": "443"}[match[1]]
    return (theirs[0], theirs[1] or port) == (ours[0], ours[1] or port)


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_at(path: str, places: Collection[str]) -> bool:
    if not places:
        return False
    path = re.sub("/+", "/", path).rstrip("/").lower()
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _shown(raw: bytes) -> str:
    """What a stranger sent, for a sentence: short, and without signs that do anything."""
    text = "".join(sign if sign.isprintable() and sign not in '<>&"' else "?" for sign in raw.decode("latin-1"))
    return text[:SHOWN_SIGNS] + ("…" if len(text) > SHOWN_SIGNS else "")


def _too_long(rules: PageRules) -> Refusal:
    return Refusal(413, f"The request is longer than {rules.max_body_bytes // 1024:,} kB.")


class PageGuard:
    """An ASGI application that asks the rules before it hands a request, or a WebSocket, on to another application."""

    def __init__(self, app: App, rules: PageRules):
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, headers = scope["method"], list(scope["headers"])
        refusal = refuse_request(method, scope["path"], scope.get("query_string", b""), headers, self.rules)
        if refusal is None and method not in SAFE_METHODS:
            body = await _read_body(receive, self.rules.max_body_bytes)
            receive = _replayed(body or b"", receive)
            if body is None:
                refusal = _too_long(self.rules)
            elif self.rules.read_only and self.rules.changes(body):
                refusal = Refusal(403, READ_ONLY)
        if refusal:
            await _answer(send, refusal)
        else:
            await self.app(scope, receive, _with_headers(send))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = _named(list(scope["headers"]))
        refusal = refuse_origin("websocket", scope["path"], named, self.rules) if isinstance(named, dict) else named
        if refusal:  # closed before it was accepted, which the client sees as HTTP 403
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.sentence[:MAX_CLOSE_LETTERS]})
        else:
            await self.app(scope, receive, send)


async def _read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """The whole body; None for one that is too long."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > max_bytes:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def _with_headers(send: Send) -> Send:
    """No other page may show an answer in a frame or use it."""
    added = [(b"x-frame-options", b"DENY"), (b"cross-origin-resource-policy", b"same-origin")]

    async def with_them(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return with_them


async def _answer(send: Send, refusal: Refusal) -> None:
    body = f"{refusal.sentence}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
