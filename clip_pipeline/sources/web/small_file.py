"""The whole content of a small file on a site: a listing, a table of checksums."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from clip_pipeline.errors import SourceError, UnavailableError
from clip_pipeline.sources.web.answer import MAX_SECONDS, copy_answer
from clip_pipeline.sources.web.retries import Retries, connection_errors, may_pass, retry_after_seconds

if TYPE_CHECKING:
    import requests

CHUNK_BYTES = 1 << 18
MAX_SMALL_BYTES = 20_000_000


def read_small_file(
    session: requests.Session, url: str, max_bytes: int = MAX_SMALL_BYTES, sleep: Callable[[float], None] = time.sleep
) -> bytes | None:
    """The whole content at a url, None for 404; asks again where that may help.

    sleep: waits so many seconds. Raises SourceError for a status that will not pass and for more than `max_bytes`,
    UnavailableError for what comes cut or not at all each time.
    """
    content = io.BytesIO()
    return content.getvalue() if copy_file(session, url, content, max_bytes, MAX_SECONDS, sleep) else None


def copy_file(
    session: requests.Session,
    url: str,
    target: IO[bytes],
    max_bytes: int,
    max_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Writes the whole content at a url to a file, False for 404; as `read_small_file`. max_seconds: for a try."""
    retries = Retries(url, sleep=sleep)
    while retries.left:
        asked_seconds = None
        try:
            with session.get(url, stream=True, headers={"Accept-Encoding": "identity"}) as response:
                if response.status_code == 404:
                    return False
                if response.status_code == 200:
                    target.seek(0)
                    target.truncate()
                    size = copy_answer(response, target, max_bytes, max_seconds, f"at most {max_bytes:,}")
                    announced = response.headers.get("Content-Length", str(size))
                    if announced == str(size) or response.headers.get("Content-Encoding"):
                        return True
                    problem = f"{size:,} of {announced} bytes"
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
