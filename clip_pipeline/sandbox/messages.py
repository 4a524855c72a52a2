"""A request and a response, as the sandbox's sites see them; `server.py` turns them into HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

PUBLISHED = 1_767_225_600
"""Everything in the sandbox was last changed at 2026-01-01T00:00:00Z, in seconds since 1970."""

LAST_MODIFIED = formatdate(PUBLISHED, usegmt=True)


@dataclass(frozen=True)
class Addresses:
    """Where the sites are, as the client that asks sees them; no slash at the end."""

    api: str
    images: str
    dumps: str


VIRTUAL_ADDRESSES = Addresses("http://api.sandbox.test", "http://images.sandbox.test", "http://dumps.sandbox.test")


def addresses_for(host: str) -> Addresses:
    """The addresses to write into an answer: the virtual hosts when one was asked, else paths below `host`."""
    if host.partition(":")[0].endswith(".sandbox.test"):
        return VIRTUAL_ADDRESSES
    return Addresses(f"http://{host}/api", f"http://{host}/images", f"http://{host}/dumps")


@dataclass(frozen=True)
class Request:
    """One HTTP request. Header names are lower-case; `path` starts with a slash and is without the site's prefix."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    addresses: Addresses = VIRTUAL_ADDRESSES


@dataclass
class Response:
    """One HTTP response. delay: seconds before it is sent. sent_share: below 1 the connection breaks in the body."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    sent_share: float = 1.0


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, "application/json", headers or {})


def html_page(title: str, body: str, status: int = 200) -> Response:
    """A small HTML page."""
    text = f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title></head>\n<body>{body}</body></html>\n"
    return Response(status, text.encode(), "text/html; charset=utf-8")


def file_response(request: Request, content: bytes, content_type: str, etag: str) -> Response:
    """A file with ETag, answering `If-None-Match` with 304 and one `Range: bytes=a-b` with 206 or 416.

    A Range with an `If-Range` that names another ETag gets the whole file, as resumed downloads rely on.
    """
    headers = {"ETag": f'"{etag}"', "Last-Modified": LAST_MODIFIED, "Accept-Ranges": "bytes"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(304, b"", content_type, headers)
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes=") or request.headers.get("if-range", headers["ETag"]) != headers["ETag"]:
        return Response(200, content, content_type, headers)
    first, dash, last = wanted.removeprefix("bytes=").partition("-")
    if not dash or not (first or last) or not (first + last).isdecimal():
        return Response(200, content, content_type, headers)
    start = int(first) if first else max(len(content) - int(last), 0)
    stop = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= stop:
        headers["Content-Range"] = f"bytes */{len(content)}"
        return Response(416, b"", content_type, headers)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
    return Response(206, content[start:stop], content_type, headers)
