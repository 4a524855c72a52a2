"""The body of an answer of an API or a mirror, with a limit on its bytes, its packing and its time."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from clip_pipeline.errors import SourceError

if TYPE_CHECKING:
    import requests

PIECE_BYTES = 1 << 16
"""As it came; unpacked a piece may be a thousand times as long, for a moment."""

PACKINGS = ("", "identity", "gzip", "x-gzip", "deflate")
"""One of them: a body packed three times over unpacks a byte to a billion."""

MAX_SECONDS = 600.0
"""For the whole body. A server that sends a byte a minute keeps to every other limit."""


@dataclass(frozen=True)
class Answer:
    """Status, headers (a mapping that ignores case) and the body, unpacked."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes


def read_answer(
    response: requests.Response, max_bytes: int, max_seconds: float = MAX_SECONDS, expected: str = "a small list"
) -> Answer:
    """A streamed response with its whole body. Raises as `copy_answer`."""
    content = io.BytesIO()
    copy_answer(response, content, max_bytes, max_seconds, expected)
    return Answer(response.status_code, response.headers, content.getvalue())


def copy_answer(
    response: requests.Response, target: IO[bytes], max_bytes: int, max_seconds: float, expected: str
) -> int:
    """Writes the body of a streamed response, and returns its length. Raises SourceError above the limits, and what requests
    raises."""
    site = response.url.partition("?")[0][:200]
    if response.headers.get("Content-Encoding", "").strip().lower() not in PACKINGS:
        raise SourceError(f"{site} answers packed in a way that was not asked for. Check the address.")
    size, deadline = 0, time.monotonic() + max_seconds
    for piece in response.iter_content(PIECE_BYTES):
        size += len(piece)
        if size > max_bytes:
            raise SourceError(f"{site} sends more than {max_bytes:,} bytes, expected {expected}. Check the address.")
        if time.monotonic() > deadline:
            raise SourceError(
                f"{site} has sent {size:,} bytes in {max_seconds:.0f} s and does not end. Try again later."
            )
        target.write(piece)
    return size
