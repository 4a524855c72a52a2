"""HTTP/1.1 responses as any server may send them, read from one connection with a limit on everything (RFC 9112)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from clip_pipeline.sources.web.http_headers import CHUNKED, HttpHeaders, ResponseError, parse_headers

MAX_HEAD_BYTES = 65_536
MAX_INTERIM_RESPONSES = 8
MAX_CHUNK_LINE_BYTES = 4096
MAX_TRAILER_BYTES = 16_384
MAX_CODINGS = 4
GZIP, ZLIB, RAW_DEFLATE = 31, 15, -15
"""The `wbits` of zlib."""

PHOTO_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*", b"MM\0*")
"""A body that begins so is no deflated stream, whatever its server says."""

READ_BYTES = 1 << 16
"""As much as the first read takes: head and body of most photos that were resized."""

END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
CHUNK_SIZE = re.compile(rb"[ \t]*+([0-9A-Fa-f]{1,15})[ \t]*+(?:;.*)?\r?\n", re.DOTALL)


class NoResponse(ResponseError):
    """The connection ended before the first byte of a response."""


CUT = "the answer ended before all announced bytes came"


class TruncatedResponse(ResponseError):
    """The connection ended before the response did. came: bytes of its body, 0 where not even its head was whole."""

    def __init__(self, came: int):
        super().__init__(CUT)
        self.came = came


class BodyTooLong(Exception):
    """More bytes than are taken. announced: the length that the server announced, None without one. beginning: what came."""

    def __init__(self, announced: int | None, beginning: bytes | bytearray = b""):
        super().__init__(announced)
        self.announced, self.beginning = announced, beginning


class ResponseReader:
    """Reads responses from one connection. receive: gives at most so many bytes, b"" at the end of the connection."""

    def __init__(self, receive: Callable[[int], bytes]):
        self._receive = receive
        self._ahead = b""
        self._came = 0  # bytes of this body, those between chunks included

    @property
    def has_more(self) -> bool:
        """Whether bytes came that belong to no response that was asked for."""
        return bool(self._ahead)

    def read_head(self) -> HttpHeaders:
        """The head of the final response; interim ones (1xx) are passed over. Raises ResponseError."""
        for _ in range(MAX_INTERIM_RESPONSES + 1):
            head = parse_headers(self._raw_head())
            if head.status >= 200:
                return head
            if head.status == 101:
                raise ResponseError("no proper answer: another protocol that was not asked for")
        raise ResponseError("no proper answer: interim answers without end")

    def _raw_head(self) -> bytes:
        came, searched = self._ahead, 0
        while True:
            end = END_OF_HEAD.search(came, searched)
            if end is not None and end.end() <= MAX_HEAD_BYTES:
                self._ahead = came[end.end() :]
                self._came = len(self._ahead)
                return came[: end.start() + 1] if came[end.start()] == 10 else came[: end.start() + 2]
            if len(came) >= MAX_HEAD_BYTES:
                raise ResponseError("no proper answer: the head has no end")
            searched = max(len(came) - 3, 0)
            piece = self._receive(READ_BYTES)
            if not piece:
                if came:
                    raise TruncatedResponse(0)
                raise NoResponse("the connection ended without an answer")
            came += piece
            if not came.startswith(b"HTTP/1."[: len(came)]):
                raise ResponseError("no proper answer: the status line is not HTTP/1.1's")

    def read_body(self, head: HttpHeaders, max_bytes: int) -> bytes:
        """The body, in the encoding in which it came. Raises BodyTooLong above `max_bytes` bytes, ResponseError."""
        if head.length >= 0:
            if head.length > max_bytes:
                raise BodyTooLong(head.length)
            return self._read_exactly(head.length)
        if head.length == CHUNKED:
            return self._read_chunks(max_bytes)
        return self._read_until_close(max_bytes)

    def read_beginning(self, head: HttpHeaders, max_bytes: int) -> bytes:
        """The first `max_bytes` bytes of the body, or all of a shorter one. Raises ResponseError."""
        if 0 <= head.length <= max_bytes:
            return self._read_exactly(head.length)
        head.stays_open = head.stays_open and head.length == CHUNKED
        if head.length > max_bytes:
            return self._read_exactly(max_bytes)
        try:
            return self.read_body(head, max_bytes)
        except BodyTooLong as error:
            head.stays_open = False
            return bytes(error.beginning[:max_bytes])

    def _read_exactly(self, count: int) -> bytes:
        ahead = self._ahead
        if len(ahead) >= count:
            self._ahead = ahead[count:]
            return ahead[:count]
        body = bytearray(ahead)
        self._ahead = b""
        while len(body) < count:
            body += self._some(min(count - len(body), READ_BYTES))
        return bytes(body)

    def _read_until_close(self, max_bytes: int) -> bytes:
        body = bytearray(self._ahead)
        self._ahead = b""
        while len(body) <= max_bytes:
            piece = self._receive(READ_BYTES)
            if not piece:
                return bytes(body)
            body += piece
        raise BodyTooLong(None, body)

    def _read_chunks(self, max_bytes: int) -> bytes:
        body = bytearray()
        while True:
            size = CHUNK_SIZE.fullmatch(self._line(MAX_CHUNK_LINE_BYTES))
            if size is None:
                raise ResponseError("no proper answer: the size of a chunk is no number")
            count = int(size[1], 16)
            if count == 0:
                break
            taken = min(count, max_bytes + 1 - len(body))
            body += self._read_exactly(taken)
            if len(body) > max_bytes:
                raise BodyTooLong(None, body)
            if self._line(2) not in (b"\r\n", b"\n"):
                raise ResponseError("no proper answer: a chunk is longer than its size")
        left = MAX_TRAILER_BYTES
        while (line := self._line(left)) not in (b"\r\n", b"\n"):
            left -= len(line)
        return bytes(body)

    def _line(self, max_bytes: int) -> bytes:
        """The next line with its end."""
        searched = 0
        while True:
            end = self._ahead.find(b"\n", searched) + 1
            if 0 < end <= max_bytes:
                line, self._ahead = self._ahead[:end], self._ahead[end:]
                return line
            if len(self._ahead) >= max_bytes:
                raise ResponseError("no proper answer: a line between chunks has no end")
            searched = len(self._ahead)
            self._ahead += self._some(READ_BYTES)

    def _some(self, max_bytes: int) -> bytes:
        piece = self._receive(max_bytes)
        if not piece:
            raise TruncatedResponse(self._came)
        self._came += len(piece)
        return piece


def unpacked(head: HttpHeaders, body: bytes, max_bytes: int) -> bytes:
    """The body as it was before the gzip or deflate that nobody asked for, one or several of them; anything else as it came.

    Never more than `max_bytes` bytes come out of it: a small body may unpack to gigabytes. Raises BodyTooLong, ResponseError.
    """
    codings = [coding.strip().lower() for coding in (head.get("content-encoding") or "").split(",")]
    if len(codings) > MAX_CODINGS:
        raise ResponseError(f"no proper answer: packed {len(codings)} times")
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
            body = _unpacked(body, max_bytes, GZIP)
        elif coding == "deflate" and _looks_deflated(body):
            body = _unpacked(body, max_bytes, ZLIB)
        elif coding == "deflate" and not body.startswith(PHOTO_BEGINNINGS):
            body = _unpacked(body, max_bytes, RAW_DEFLATE)
    return body


def _looks_deflated(body: bytes) -> bool:
    """Whether the body begins as zlib's format (RFC 1950); some servers send the bare stream instead."""
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _unpacked(body: bytes, max_bytes: int, wbits: int) -> bytes:
    """All members of a gzip, one after the other, or one deflated stream; zeros and other bytes after the last are no part of it."""
    content = bytearray()
    while True:
        unpacker = zlib.decompressobj(wbits=wbits)
        try:
            content += unpacker.decompress(body, max_bytes + 1 - len(content))
        except zlib.error as error:
            raise ResponseError("no proper answer: the body is not packed as its encoding says") from error
        if len(content) > max_bytes:
            raise BodyTooLong(None, content)
        if not unpacker.eof:
            raise TruncatedResponse(len(body))
        body = unpacker.unused_data
        if wbits != GZIP or not body.startswith(b"\x1f\x8b"):
            return bytes(content)
