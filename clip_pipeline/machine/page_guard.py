"""Which requests a page on this machine answers: its own, and those of programs here, but those of no other page in the browser.

A browser sends to 127.0.0.1 whatever any page asks it to. It says where from (Origin, Sec-Fetch-Site), and by which name it asked (Host),
which is somebody else's where a name was made to lead here (DNS rebinding). So names are known ones, foreign origins are refused, and what
changes something is a POST of JSON, which no form, link or picture can send.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
ANY_ADDRESS = ("0.0.0.0", "::")

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_LENGTH_DIGITS = 15

HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9_.-]{1,253}))(?::([0-9]{1,5}))?", re.ASCII)
ORIGIN = re.compile(r"(https?)://(.+)", re.ASCII)
ONCE = (b"host", b"origin", b"content-type", b"content-length", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest")

LOOKS = ("GET", "HEAD")
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
    """

    names: tuple[str, ...] = ()
    query_paths: tuple[str, ...] = ()
    closed_paths: tuple[str, ...] = ()
    read_only: bool = False
    changes: Callable[[bytes], bool] = lambda body: True


def refuse_host(headers: Iterable[tuple[bytes, bytes]], names: Iterable[str]) -> Refusal | None:
    """Why a request is not for this server; None where its one Host is a name of loopback or one of `names`."""
    hosts = [value for name, value in headers if name.lower() == b"host"]
    if len(hosts) != 1:
        return Refusal(400, f"The request names {len(hosts)} hosts, expected one header Host.")
    found = split_host(hosts[0].decode("latin-1"))
    if found is None or not (_is_loopback(found[0]) or found[0] in {name.lower() for name in names}):
        return Refusal(
            403,
            f'This server answers to {", ".join((*LOOPBACK_NAMES, *names))}, and this request is for "{_shown(hosts[0])}". If that is a name '
            "of this machine that you use, start the page with --allow-host and the name.",
        )
    return None


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
    refusal = _refuse_form(headers) or refuse_host(headers, rules.names) or _refuse_origin(method, path, headers, rules)
    if refusal:
        return refusal
    if _is_at(path, rules.closed_paths):
        return Refusal(403, f"{path[:SHOWN_SIGNS]} is not served here.")
    if method in LOOKS:
        if _is_at(path, rules.query_paths) and (query or b"text/html" not in _value(headers, b"accept")):
            return Refusal(405, "Questions are asked by POST with application/json here, never by an address.")
        return None
    if method != "POST":
        return Refusal(
            405,
            f"{_shown(method.encode())} is not answered here: looking is GET, and changing is POST with application/json.",
        )
    kind = _value(headers, b"content-type").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        return Refusal(415, f'A POST is application/json here, and this one is "{_shown(kind)}".')
    if rules.read_only and not _is_at(path, rules.query_paths):
        return Refusal(403, READ_ONLY)
    return None


def _refuse_form(headers: list[tuple[bytes, bytes]]) -> Refusal | None:
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return Refusal(431, f"The headers are longer than {MAX_HEADER_BYTES // 1024} kB.")
    for name in ONCE:
        if sum(found.lower() == name for found, _ in headers) > 1:
            return Refusal(400, f"The header {name.decode()} is there twice, expected once.")
    length = _value(headers, b"content-length")
    if length and not (length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        return Refusal(400, "Content-Length is no number of bytes.")
    if length and int(length) > MAX_BODY_BYTES:
        return _too_long()
    return None


def _refuse_origin(method: str, path: str, headers: list[tuple[bytes, bytes]], rules: PageRules) -> Refusal | None:
    origin, site = _value(headers, b"origin"), _value(headers, b"sec-fetch-site").lower()
    if origin and not _is_own(origin.decode("latin-1"), _value(headers, b"host").decode("latin-1")):
        return Refusal(
            403, f'This request comes from the page "{_shown(origin)}". Only pages of this server may ask it.'
        )
    if site in (b"", b"same-origin", b"none"):
        return None
    # a link elsewhere that somebody followed shows the page, and the one with the link sees nothing of it
    opens_page = _value(headers, b"sec-fetch-mode") == b"navigate" and _value(headers, b"sec-fetch-dest") == b"document"
    if method in LOOKS and opens_page and not _is_at(path, rules.query_paths):
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


def _is_at(path: str, places: Iterable[str]) -> bool:
    path = re.sub("/+", "/", path).rstrip("/").lower()
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _value(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value.strip() for found, value in headers if found.lower() == name), b"")


def _shown(raw: bytes) -> str:
    """What a stranger sent, for a sentence: short, and without signs that do anything."""
    text = "".join(sign if sign.isprintable() and sign not in '<>&"' else "?" for sign in raw.decode("latin-1"))
    return text[:SHOWN_SIGNS] + ("…" if len(text) > SHOWN_SIGNS else "")


def _too_long() -> Refusal:
    return Refusal(413, f"The request is longer than {MAX_BODY_BYTES // 1024**2} MB.")


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
        if refusal is None and method not in LOOKS:
            body = await _read_body(receive)
            receive = _replayed(body or b"", receive)
            if body is None:
                refusal = _too_long()
            elif self.rules.read_only and self.rules.changes(body):
                refusal = Refusal(403, READ_ONLY)
        if refusal:
            await _answer(send, refusal)
        else:
            await self.app(scope, receive, _with_headers(send))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = list(scope["headers"])
        refusal = _refuse_form(headers) or refuse_host(headers, self.rules.names)
        refusal = refusal or _refuse_origin("websocket", scope["path"], headers, self.rules)
        if refusal:  # closed before it was accepted, which the client sees as HTTP 403
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.sentence[:MAX_CLOSE_LETTERS]})
        else:
            await self.app(scope, receive, send)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None for one that is too long."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > MAX_BODY_BYTES:
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
