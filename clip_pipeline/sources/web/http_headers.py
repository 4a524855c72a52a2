"""The head of an HTTP/1.1 response, honest or not (RFC 9112): what is not plain is refused, but for lines that say nothing about the
body, which browsers and others pass over too.

The standard library reads the fields of a response as an e-mail's: a third of a photo's processor time (2026-11-21).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Possessive (*+), so that no response makes them slow: a megabyte of spaces is looked at once.
STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n\0]*+)?\r?\n")
FIELD = re.compile(r"(?m)^([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([^\r\n\0]*+)\r?\n")
FOLD = re.compile(r"\r?\n[ \t]++")
CONTROLS = re.compile(r"\0|\r(?!\n)")
WHOLE_RANGE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})")
LINE_OF_BODY = re.compile(r"(?mi)^[^:\r\n]*(?:content-length|transfer-encoding)")
"""A line that may mean how long the body is, whether or not it is a field."""

FIELDS_READ = frozenset(
    (
        *("connection", "content-encoding", "content-length", "content-range", "location", "retry-after"),
        *("transfer-encoding", "x-robots-tag"),
    )
)

CHUNKED, UNTIL_CLOSE = -1, -2
"""Lengths of bodies that tell none."""


class ResponseError(Exception):
    """What came is no proper HTTP response. The text is the same in every run."""


@dataclass(slots=True)
class HttpHeaders:
    """Status and fields of a response; of the fields only those in FIELDS_READ are kept, each value for itself.

    length: of the body in bytes, CHUNKED or UNTIL_CLOSE. stays_open: whether another request may follow the body.
    """

    status: int
    fields: dict[str, list[str]]
    length: int = 0
    stays_open: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the body is all of what was asked for: 200, 203 (a proxy changed the fields), and 206 with a range that is no part."""
        if self.status == 206:
            asked = WHOLE_RANGE.fullmatch(self.get("content-range") or "")
            return asked is not None and int(asked[1]) + 1 == int(asked[2])
        return self.status in (200, 203)

    def get(self, name: str, /) -> str | None:
        """The values of a field, joined by commas; None when there is none. Ignores case."""
        values = self.fields.get(name.lower())
        return ", ".join(values) if values else None


def parse_headers(raw: bytes) -> HttpHeaders:
    """Status line and fields; each line ends with a line feed, the empty line is not included. Raises ResponseError."""
    text = raw.decode("latin-1")
    first = STATUS_LINE.match(text)
    if first is None:
        raise ResponseError("no proper answer: the status line is not HTTP/1.1's")
    text = text[first.end() :]
    if "\n " in text or "\n\t" in text:
        text = FOLD.sub(" ", text)
    found = FIELD.findall(text)
    plain = len(found) == text.count("\n")
    if CONTROLS.search(text) or not (plain or _says_body_plainly(text, found)):
        raise ResponseError("no proper answer: a line among the fields is none")
    fields: dict[str, list[str]] = {}
    for name, value in found:
        name = name.lower()
        if name in FIELDS_READ:
            fields.setdefault(name, []).append(value.rstrip(" \t"))
    head = HttpHeaders(int(first[2]), fields)
    _decide_framing(head, minor_version=first[1])
    head.stays_open &= plain  # nothing is sent behind an answer that may be read in two ways
    return head


def _says_body_plainly(text: str, found: list[tuple[str, str]]) -> bool:
    """Whether no line but proper fields speaks of the body's length."""
    proper = sum(name.lower() in ("content-length", "transfer-encoding") for name, _ in found)
    return len(LINE_OF_BODY.findall(text)) == proper


def _decide_framing(head: HttpHeaders, minor_version: str) -> None:
    """Sets length and stays_open (RFC 9112, section 6.3)."""
    fields = head.fields
    connection = fields.get("connection")
    if connection is None:
        head.stays_open = minor_version == "1"
    else:
        options = [option.strip().lower() for value in connection for option in value.split(",")]
        head.stays_open = "close" not in options and (minor_version == "1" or "keep-alive" in options)
    coding, announced = fields.get("transfer-encoding"), fields.get("content-length")
    if head.status < 200 or head.status in (204, 304):
        head.length = 0
    elif coding is not None:
        if [value.strip().lower() for value in ",".join(coding).split(",")] != ["chunked"]:
            raise ResponseError("no proper answer: a transfer encoding that was not asked for")
        head.length = CHUNKED
        head.stays_open &= announced is None and minor_version == "1"  # two lengths are how responses are smuggled
    elif announced is not None:
        lengths = {value.strip() for value in ",".join(announced).split(",")}
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdecimal() and len(length) <= 18):
            raise ResponseError("no proper answer: Content-Length is no number, or two")
        head.length = int(length)
    else:
        head.length = UNTIL_CLOSE
        head.stays_open = False
