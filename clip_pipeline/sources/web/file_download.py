"""The download of one large file: it goes on where it broke off, and its checksum is verified."""

from __future__ import annotations

import errno
import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DiskError, SourceError, UnavailableError
from clip_pipeline.machine.progress import progress
from clip_pipeline.sources.web.api_session import Hosts, http_session
from clip_pipeline.sources.web.retries import MAX_TRIES, Retries, connection_errors, may_pass, retry_after_seconds
from clip_pipeline.sources.web.small_file import CHUNK_BYTES

logger = logging.getLogger(__name__)

TRY_LATER = "Try again later."


@dataclass(frozen=True)
class RemoteFile:
    """One file on a site. `size` is bytes, None where the site does not tell; `kind` is the checksum's: sha256, sha1 or md5."""

    name: str
    url: str
    size: int | None
    kind: str
    checksum: str


def download_file(
    remote: RemoteFile, folder: Path, hosts: Hosts, contact: str = "", optional: bool = False, advice: str = TRY_LATER
) -> Path | None:
    """The verified file in `folder`; one that is there and has the right checksum is kept, one that broke off is gone on with.

    None where it is optional and not there after all. advice: what to do where it cannot be had. Raises SourceError where it
    is refused, breaks off again and again, or differs from its checksum twice; DiskError where the folder cannot be written.
    """
    final = folder / remote.name
    if final.is_file() and _checksum_of(final, remote.kind) == remote.checksum:
        logger.info("%s is here already, its %s is right", remote.name, remote.kind)
        return final
    partial = folder / f"{remote.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            _download_resuming(remote, partial, hosts, contact, optional, advice)
            if optional and not partial.exists():
                logger.warning("%s is listed, but not there. It is done without.", remote.url)
                return None
            found = _checksum_of(partial, remote.kind)
            if found == remote.checksum:
                partial.replace(final)
                size = f"{final.stat().st_size:,}"
                logger.info("Downloaded %s, %s bytes, %s verified", remote.name, size, remote.kind)
                return final
            logger.warning(
                "%s has %s %s, expected %s: starting again", remote.name, remote.kind, found, remote.checksum
            )
            partial.unlink()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        raise DiskError(
            f"{folder} cannot be written ({error.strerror}). {remote.name} needs {remote.size or 0:,} bytes there."
        ) from error
    raise SourceError(
        f"{remote.name} came twice with a wrong {remote.kind} ({found}, expected {remote.checksum}). {advice}"
    )


def _download_resuming(
    remote: RemoteFile, partial: Path, hosts: Hosts, contact: str, optional: bool, advice: str
) -> None:
    """Appends to `partial` until the file is whole; each new connection asks for the rest only."""
    retries = Retries(remote.url)
    with (
        http_session(contact, hosts) as session,
        progress(f"Downloading {remote.name}", total=remote.size, unit="byte") as bar,
    ):
        bar.advance(partial.stat().st_size if partial.exists() else 0)
        while retries.left:
            have = partial.stat().st_size if partial.exists() else 0
            if remote.size is not None and have >= remote.size:
                return
            asked_seconds = None
            headers = {"Range": f"bytes={have}-"} if have else {}
            headers["Accept-Encoding"] = "identity"
            try:
                with session.get(remote.url, headers=headers, stream=True) as response:
                    if response.status_code == 416:
                        return  # nothing is left; the sha1 tells whether what is here is right
                    if response.status_code in (200, 206):
                        append = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                            f"bytes {have}-"
                        )
                        if response.status_code == 206 and not append:
                            problem = "an answer to another range than was asked"
                        elif _write_response(response, partial, append, remote, bar, advice):
                            return
                        else:
                            problem = "the connection ended early"
                    elif optional and response.status_code == 404:
                        return
                    elif may_pass(response.status_code):
                        problem = f"status {response.status_code}"
                        asked_seconds = retry_after_seconds(response.headers, time.time())
                    else:
                        raise SourceError(f"{remote.url} answers with status {response.status_code}. {advice}")
            except connection_errors() as error:
                problem = type(error).__name__
            grown = (partial.stat().st_size if partial.exists() else 0) > have
            if grown:  # only tries in a row that bring nothing count: a long download may break many times
                retries.progressed()
            retries.failed(problem, asked_seconds)
    raise UnavailableError(
        f"{remote.url} broke off {MAX_TRIES} times without progress ({retries.problem}). What came is kept in {partial.name}; run again to go on."
    )


def _write_response(response: Any, partial: Path, append: bool, remote: RemoteFile, bar: Any, advice: str) -> bool:
    """Whether the file is whole afterwards. Stops at the size that was announced."""
    expected = remote.size
    if expected is None and response.headers.get("Content-Length", "").isdigit():
        expected = int(response.headers["Content-Length"]) + (partial.stat().st_size if append else 0)
    with partial.open("ab" if append else "wb") as file:
        for chunk in response.iter_content(CHUNK_BYTES):
            file.write(chunk)
            bar.advance(len(chunk))
            if expected is not None and file.tell() > expected:
                raise SourceError(f"{remote.url} sends more than the {expected:,} bytes it should have. {advice}")
        return expected is None or file.tell() == expected


def _checksum_of(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
