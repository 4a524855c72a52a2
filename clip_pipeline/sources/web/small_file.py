"""The whole content of a small file on a site: a listing, a table of checksums."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from clip_pipeline.errors import SourceError, UnavailableError
from clip_pipeline.sources.web.retries import Retries, connection_errors, may_pass, retry_after_seconds

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 1 << 18


def read_small_file(
    session: requests.Session, url: str, max_bytes: int | None = None, sleep: Callable[[float], None] = time.sleep
) -> bytes | None:
    """The whole content at a url, None for 404; asks again where that may help.

    sleep: waits so many seconds. Raises SourceError for a status that will not pass and for more than `max_bytes`,
    UnavailableError for what comes cut or not at all each time.
    """
    retries = Retries(url, sleep=sleep)
    while retries.left:
        asked_seconds = None
        try:
            with session.get(url, stream=True, headers={"Accept-Encoding": "identity"}) as response:
                if response.status_code == 404:
                    return None
                if response.status_code == 200:
                    content = read_content(response, max_bytes)
                    announced = response.headers.get("Content-Length", str(len(content)))
                    if announced == str(len(content)) or response.headers.get("Content-Encoding"):
                        return content
                    problem = f"{len(content):,} of {announced} bytes"
                else:
                    problem = f"HTTP {response.status_code}"
                    asked_seconds = retry_after_seconds(response.headers, time.time())
                    if not may_pass(response.status_code):
                        raise SourceError(_unreadable(url, problem))
        except connection_errors() as error:
            problem = type(error).__name__
        retries.failed(problem, asked_seconds)
    raise UnavailableError(_unreadable(url, retries.problem))


def _unreadable(url: str, problem: str) -> str:
    return f"{url} cannot be read ({problem}). Check the address and the network, then run again."


def read_content(response: requests.Response, max_bytes: int | None) -> bytes:
    """The body of a streamed response. Raises SourceError above `max_bytes`."""
    content = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if max_bytes is not None and len(content) > max_bytes:
            raise SourceError(f"{response.url} sends more than {max_bytes:,} bytes, expected a small list.")
    return bytes(content)
